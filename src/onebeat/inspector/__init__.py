"""The one source of facts for the command line, the console and the metrics, and what operators do."""
