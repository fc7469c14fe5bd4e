package main

import (
	"time"

	"github.com/hibiken/asynq"
)

// Run a scheduler with one entry, and answer its id. It is listed from its first beat on, for two beats after each.
func schedule(redis asynq.RedisConnOpt, name, spec string, beatS int, t task) (any, error) {
	scheduler := asynq.NewScheduler(redis, &asynq.SchedulerOpts{
		HeartbeatInterval: time.Duration(beatS) * time.Second, LogLevel: asynq.FatalLevel,
	})
	id, err := scheduler.Register(spec, t.made(), t.options()...)
	if err != nil {
		return nil, err
	}
	started(name, scheduler.Shutdown)
	return id, scheduler.Start()
}
