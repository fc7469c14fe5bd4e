// A Go peer for the interop tests: real asynq, told what to do by one JSON object on its command line,
// and answering in JSON lines on standard output.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

type order struct {
	Socket  string
	Do      string
	Queue   string
	Queues  map[string]int
	Tasks   []task
	ID      string
	State   string
	Payload string
}

type task struct {
	Type      string
	Payload   string
	Headers   map[string]string
	Queue     string
	ID        string
	MaxRetry  *int
	InMS      int
	UniqueS   int
	Retention int
	TimeoutS  int
}

var out = json.NewEncoder(os.Stdout)

func say(value any) {
	if err := out.Encode(value); err != nil {
		panic(err)
	}
}

func must(err error) {
	if err != nil {
		say(map[string]string{"error": err.Error()})
		os.Exit(1)
	}
}

func (t task) options() []asynq.Option {
	options := []asynq.Option{asynq.Queue(t.Queue)}
	if t.ID != "" {
		options = append(options, asynq.TaskID(t.ID))
	}
	if t.MaxRetry != nil {
		options = append(options, asynq.MaxRetry(*t.MaxRetry))
	}
	if t.InMS > 0 {
		options = append(options, asynq.ProcessIn(time.Duration(t.InMS)*time.Millisecond))
	}
	if t.UniqueS > 0 {
		options = append(options, asynq.Unique(time.Duration(t.UniqueS)*time.Second))
	}
	if t.Retention > 0 {
		options = append(options, asynq.Retention(time.Duration(t.Retention)*time.Second))
	}
	if t.TimeoutS > 0 {
		options = append(options, asynq.Timeout(time.Duration(t.TimeoutS)*time.Second))
	}
	return options
}

func enqueue(redis asynq.RedisConnOpt, tasks []task) {
	client := asynq.NewClient(redis)
	defer client.Close()
	for _, t := range tasks {
		made := asynq.NewTask(t.Type, []byte(t.Payload))
		if len(t.Headers) > 0 {
			made = asynq.NewTaskWithHeaders(t.Type, []byte(t.Payload), t.Headers)
		}
		info, err := client.Enqueue(made, t.options()...)
		switch {
		case errors.Is(err, asynq.ErrDuplicateTask):
			say(map[string]string{"refused": "duplicate"})
		case errors.Is(err, asynq.ErrTaskIDConflict):
			say(map[string]string{"refused": "conflict"})
		default:
			must(err)
			say(map[string]string{"id": info.ID, "state": info.State.String()})
		}
	}
}

func handle(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	say(map[string]any{"ran": id, "type": t.Type(), "payload": string(t.Payload()), "headers": t.Headers(), "retried": retried,
		"at": time.Now().UnixMilli()})
	switch {
	case strings.HasPrefix(t.Type(), "fail"):
		return fmt.Errorf("go says no: %w", asynq.SkipRetry)
	case strings.HasPrefix(t.Type(), "retry"):
		return errors.New("go says later")
	case strings.HasPrefix(t.Type(), "hold"):
		<-ctx.Done()
		return ctx.Err()
	}
	_, err := t.ResultWriter().Write([]byte("go ran " + id))
	return err
}

func serve(redis asynq.RedisConnOpt, queues map[string]int) {
	server := asynq.NewServer(redis, asynq.Config{
		Concurrency: 4, Queues: queues, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 10 * time.Millisecond, DelayedTaskCheckInterval: 50 * time.Millisecond,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Hour },
	})
	must(server.Start(asynq.HandlerFunc(handle)))
	say(map[string]bool{"serving": true})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	server.Shutdown()
}

func inspect(redis asynq.RedisConnOpt, o order) {
	inspector := asynq.NewInspector(redis)
	defer inspector.Close()
	switch o.Do {
	case "info":
		info, err := inspector.GetTaskInfo(o.Queue, o.ID)
		must(err)
		say(map[string]any{"state": info.State.String(), "type": info.Type, "payload": string(info.Payload), "retried": info.Retried,
			"max_retry": info.MaxRetry, "error": info.LastErr, "result": string(info.Result), "headers": info.Headers,
			"timeout": info.Timeout.Seconds(), "retention": info.Retention.Seconds(), "next": info.NextProcessAt.Unix(),
			"completed": info.CompletedAt.Unix(), "failed_at": info.LastFailedAt.Unix()})
	case "stats":
		info, err := inspector.GetQueueInfo(o.Queue)
		must(err)
		say(map[string]any{"pending": info.Pending, "active": info.Active, "scheduled": info.Scheduled, "retry": info.Retry,
			"archived": info.Archived, "completed": info.Completed, "processed": info.ProcessedTotal, "failed": info.FailedTotal})
	case "run":
		must(inspector.RunTask(o.Queue, o.ID))
		say(true)
	case "archive":
		must(inspector.ArchiveTask(o.Queue, o.ID))
		say(true)
	case "delete":
		must(inspector.DeleteTask(o.Queue, o.ID))
		say(true)
	case "pause":
		must(inspector.PauseQueue(o.Queue))
		say(true)
	case "unpause":
		must(inspector.UnpauseQueue(o.Queue))
		say(true)
	case "cancel":
		must(inspector.CancelProcessing(o.ID))
		say(true)
	case "servers":
		servers, err := inspector.Servers()
		must(err)
		for _, s := range servers {
			workers := []map[string]any{}
			for _, w := range s.ActiveWorkers {
				workers = append(workers, map[string]any{"id": w.TaskID, "type": w.TaskType, "payload": string(w.TaskPayload),
					"queue": w.Queue, "time": w.Deadline.Sub(w.Started).Seconds()})
			}
			say(map[string]any{"id": s.ID, "host": s.Host, "pid": s.PID, "concurrency": s.Concurrency, "queues": s.Queues,
				"strict": s.StrictPriority, "status": s.Status, "age": time.Since(s.Started).Seconds(), "workers": workers})
		}
	case "entries":
		entries, err := inspector.SchedulerEntries()
		must(err)
		for _, e := range entries {
			options := []string{}
			for _, option := range e.Opts {
				options = append(options, option.String())
			}
			events, err := inspector.ListSchedulerEnqueueEvents(e.ID)
			must(err)
			fired := []string{}
			for _, event := range events {
				fired = append(fired, event.TaskID)
			}
			say(map[string]any{"id": e.ID, "spec": e.Spec, "type": e.Task.Type(), "options": options, "next": e.Next.UnixMilli(),
				"never": e.Prev.IsZero(), "fired": fired})
		}
	default:
		must(fmt.Errorf("no such order: %q", o.Do))
	}
}

func main() {
	var o order
	must(json.Unmarshal([]byte(os.Args[1]), &o))
	redis := asynq.RedisClientOpt{Network: "unix", Addr: o.Socket}
	switch o.Do {
	case "enqueue":
		enqueue(redis, o.Tasks)
	case "serve":
		serve(redis, o.Queues)
	default:
		inspect(redis, o)
	}
}
