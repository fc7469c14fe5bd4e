"""Telling the world outside: events, logs, Prometheus, OpenTelemetry, health."""
