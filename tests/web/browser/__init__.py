"""The console in Chromium, over a system that lives."""
