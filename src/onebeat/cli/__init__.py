"""The command line: noun, then verb, as in asynq's."""
