"""How things look: pure functions from values to words and markup."""
