"""`onebeat queue`."""
