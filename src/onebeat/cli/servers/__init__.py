"""`onebeat server`."""
