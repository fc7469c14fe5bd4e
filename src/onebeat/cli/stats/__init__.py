"""`onebeat stats`."""
