package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

type settings struct {
	Queues      map[string]int
	Concurrency int
	Strict      bool
	Aggregate   bool
	GroupSize   int
	Ledger      string
}

// What runs here under a name, and how each is stopped.
var (
	running = map[string]func(){}
	guard   sync.Mutex
)

func started(name string, end func()) {
	guard.Lock()
	defer guard.Unlock()
	running[name] = end
}

func stop(name string) error {
	guard.Lock()
	end := running[name]
	delete(running, name)
	guard.Unlock()
	if end == nil {
		return fmt.Errorf("nothing named %q runs here", name)
	}
	end()
	return nil
}

func serve(conn asynq.RedisClientOpt, name string, s settings) error {
	config := asynq.Config{
		Concurrency: s.Concurrency, Queues: s.Queues, StrictPriority: s.Strict, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 10 * time.Millisecond, DelayedTaskCheckInterval: 50 * time.Millisecond,
		RetryDelayFunc: retryDelay, ShutdownTimeout: time.Second,
	}
	if s.Aggregate {
		config.GroupGracePeriod, config.GroupMaxSize = time.Second, s.GroupSize
		config.GroupAggregator = asynq.GroupAggregatorFunc(func(group string, tasks []*asynq.Task) *asynq.Task {
			return aggregate(name, group, tasks)
		})
	}
	server := asynq.NewServer(conn, config)
	h := &handler{name: name, book: s.Ledger, conn: conn, redis: conn.MakeRedisClient().(redis.UniversalClient)}
	started(name, func() {
		server.Shutdown()
		h.redis.Close()
	})
	return server.Start(h)
}

// Tasks that are to fail for a while are retried soon, those that are to be looked at while they wait are not.
func retryDelay(_ int, _ error, t *asynq.Task) time.Duration {
	if t.Type() == "flaky" || t.Type() == "always" || t.Type() == "work" {
		return 50 * time.Millisecond
	}
	return time.Hour
}

type handler struct {
	name  string
	book  string
	conn  asynq.RedisClientOpt
	redis redis.UniversalClient
}

// ProcessTask says what it sees, and then does what the type says.
func (h *handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	most, _ := asynq.GetMaxRetry(ctx)
	queue, _ := asynq.GetQueueName(ctx)
	if h.book != "" {
		time.Sleep(10 * time.Millisecond)
		if string(t.Payload()) == "fail" && retried == 0 {
			return errors.New("as ordered")
		}
		return h.redis.RPush(ctx, h.book, "Go "+id).Err()
	}
	seen := func(what string) {
		say(map[string]any{"server": h.name, "ran": id, "type": what, "payload": t.Payload(), "headers": t.Headers(),
			"retried": retried, "max_retry": most, "queue": queue, "at": unix(time.Now())})
	}
	seen(t.Type())
	switch t.Type() {
	case "flaky":
		if retried > 0 {
			return nil
		}
		return errors.New("not yet")
	case "always", "later":
		return errors.New("says no")
	case "skip":
		return fmt.Errorf("hopeless: %w", asynq.SkipRetry)
	case "revoke":
		return fmt.Errorf("needless: %w", asynq.RevokeTask)
	case "panic":
		panic("in the handler")
	case "hold":
		<-ctx.Done()
		return ctx.Err()
	case "token":
		return holdToken(ctx, h.conn, string(t.Payload()), func() { seen("token held") })
	}
	_, err := t.ResultWriter().Write([]byte("ran " + id))
	return err
}

func aggregate(name, group string, tasks []*asynq.Task) *asynq.Task {
	var payloads [][]byte
	for _, t := range tasks {
		payloads = append(payloads, t.Payload())
	}
	say(map[string]any{"server": name, "aggregated": group, "payloads": payloads})
	return asynq.NewTask("whole", bytes.Join(payloads, []byte(",")), asynq.Retention(time.Minute))
}
