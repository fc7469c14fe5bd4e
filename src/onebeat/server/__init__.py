"""The role that runs tasks."""
