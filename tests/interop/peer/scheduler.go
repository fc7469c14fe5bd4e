package main

import (
	"time"

	"github.com/hibiken/asynq"
)

// Run a scheduler with one entry, and answer its id.
func schedule(redis asynq.RedisConnOpt, name, spec string, t task) (any, error) {
	scheduler := asynq.NewScheduler(redis, &asynq.SchedulerOpts{
		HeartbeatInterval: time.Second, LogLevel: asynq.FatalLevel,
	})
	id, err := scheduler.Register(spec, t.made(), t.options()...)
	if err != nil {
		return nil, err
	}
	started(name, scheduler.Shutdown)
	return id, scheduler.Start()
}
