"""Key names and message bytes: asynq's wire format, pure, without I/O."""
