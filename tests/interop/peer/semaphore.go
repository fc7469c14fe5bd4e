package main

import (
	"context"
	"errors"

	old "github.com/go-redis/redis/v8"
	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/x/rate"
)

// The module x has no release since asynq changed its Redis client, so it is given the client that it was made for.
type formerClient struct{ socket string }

func (c formerClient) MakeRedisClient() any {
	return old.NewClient(&old.Options{Network: "unix", Addr: c.socket})
}

// Take the only token of a semaphore, say so by done, and hold it until the task is cancelled.
func holdToken(ctx context.Context, conn asynq.RedisClientOpt, scope string, done func()) error {
	semaphore := rate.NewSemaphore(formerClient{conn.Addr}, scope, 1)
	defer semaphore.Close()
	held, err := semaphore.Acquire(ctx)
	if err != nil {
		return err
	}
	if !held {
		return errors.New("no token is free")
	}
	done()
	<-ctx.Done()
	return semaphore.Release(context.WithoutCancel(ctx))
}
