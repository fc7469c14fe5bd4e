"""`onebeat schedule`."""
