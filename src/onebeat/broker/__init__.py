"""The only room that knows Redis: one operation, one script, one call."""
