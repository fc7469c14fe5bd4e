// A service on asynq beside a Python application on Onebeat: what Go runs, and what it has Python run.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/hibiken/asynq"
)

// Video is what studio.py says with rename="pascal".
type Video struct {
	Url      string
	MaxWidth int
}

// Report has the names of the parameters of write_report in studio.py.
type Report struct {
	URL     string  `json:"url"`
	Seconds float64 `json:"seconds"`
}

func encode(_ context.Context, t *asynq.Task) error {
	var v Video
	if err := json.Unmarshal(t.Payload(), &v); err != nil {
		return fmt.Errorf("%v: %w", err, asynq.SkipRetry)
	}
	answer, err := json.Marshal(fmt.Sprintf("Go encoded %s, %d wide", v.Url, v.MaxWidth))
	if err != nil {
		return err
	}
	_, err = t.ResultWriter().Write(answer)
	return err
}

func serve(redis asynq.RedisConnOpt) error {
	mux := asynq.NewServeMux()
	mux.HandleFunc("video:encode", encode)
	server := asynq.NewServer(redis, asynq.Config{Queues: map[string]int{"go": 1}})
	return server.Run(mux)
}

func enqueue(redis asynq.RedisConnOpt) error {
	client := asynq.NewClient(redis)
	defer client.Close()
	payload, err := json.Marshal(Report{URL: "film.mov", Seconds: 1.5})
	if err != nil {
		return err
	}
	info, err := client.Enqueue(
		asynq.NewTask("report:write", payload), asynq.Queue("python"), asynq.Retention(time.Hour))
	if err != nil {
		return err
	}
	inspector := asynq.NewInspector(redis)
	defer inspector.Close()
	for info.State != asynq.TaskStateCompleted {
		time.Sleep(100 * time.Millisecond)
		if info, err = inspector.GetTaskInfo(info.Queue, info.ID); err != nil {
			return err
		}
	}
	var report string
	if err := json.Unmarshal(info.Result, &report); err != nil {
		return err
	}
	fmt.Println(report)
	return nil
}

func main() {
	url := os.Getenv("REDIS_URL")
	if url == "" {
		url = "redis://localhost:6379"
	}
	redis, err := asynq.ParseRedisURI(url)
	if err != nil {
		log.Fatal(err)
	}
	commands := map[string]func(asynq.RedisConnOpt) error{"serve": serve, "enqueue": enqueue}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		log.Fatal("usage: go run . serve | enqueue")
	}
	if err := commands[os.Args[1]](redis); err != nil {
		log.Fatal(err)
	}
}
