"""Handlers in processes of their own, which can be stopped whatever they do (mechanism-rules 15)."""
