package main

import (
	"time"

	"github.com/hibiken/asynq"
)

// What a task is and may be told; absent is Go's default, and a payload may be null or empty.
type task struct {
	Type      string
	Payload   []byte
	Headers   map[string]string
	Queue     string
	ID        string
	MaxRetry  *int
	Timeout   float64
	Deadline  int64
	Unique    float64
	In        float64
	At        float64
	Retention float64
	Group     string
}

func seconds(number float64) time.Duration {
	return time.Duration(number * float64(time.Second))
}

func (t task) made() *asynq.Task {
	if len(t.Headers) > 0 {
		return asynq.NewTaskWithHeaders(t.Type, t.Payload, t.Headers)
	}
	return asynq.NewTask(t.Type, t.Payload)
}

func (t task) options() []asynq.Option {
	var options []asynq.Option
	add := func(given bool, option asynq.Option) {
		if given {
			options = append(options, option)
		}
	}
	add(t.Queue != "", asynq.Queue(t.Queue))
	add(t.ID != "", asynq.TaskID(t.ID))
	if t.MaxRetry != nil {
		options = append(options, asynq.MaxRetry(*t.MaxRetry))
	}
	add(t.Timeout > 0, asynq.Timeout(seconds(t.Timeout)))
	add(t.Deadline > 0, asynq.Deadline(time.Unix(t.Deadline, 0)))
	add(t.Unique > 0, asynq.Unique(seconds(t.Unique)))
	add(t.In > 0, asynq.ProcessIn(seconds(t.In)))
	add(t.At > 0, asynq.ProcessAt(time.UnixMilli(int64(t.At*1000))))
	add(t.Retention > 0, asynq.Retention(seconds(t.Retention)))
	add(t.Group != "", asynq.Group(t.Group))
	return options
}

func enqueue(redis asynq.RedisConnOpt, tasks []task) (any, error) {
	client := asynq.NewClient(redis)
	defer client.Close()
	ids := []string{}
	for _, t := range tasks {
		info, err := client.Enqueue(t.made(), t.options()...)
		if err != nil {
			return ids, err
		}
		ids = append(ids, info.ID)
	}
	return ids, nil
}
