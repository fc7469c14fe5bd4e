"""How much of something may happen at the same time, on all servers together."""
