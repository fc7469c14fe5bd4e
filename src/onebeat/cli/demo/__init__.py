"""`onebeat demo`: the founding scenario, played by real processes and counted from what they wrote down."""
