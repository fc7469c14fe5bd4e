"""The declared form: an application's tasks and schedules in code."""
