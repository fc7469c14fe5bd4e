"""Pages of schedules, servers and groups, over HTTP."""
