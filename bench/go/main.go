// asynq's side of bench/versus_go.py: `drain SOCKET CONCURRENCY TASKS fast|stock` enqueues so many no-op tasks
// with 64 callers, drains them in one server, and prints both rates.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	concurrency, err := strconv.Atoi(os.Args[2])
	must(err)
	total, err := strconv.Atoi(os.Args[3])
	must(err)
	redis := asynq.RedisClientOpt{Network: "unix", Addr: os.Args[1]}

	client := asynq.NewClient(redis)
	payload := make([]byte, 100)
	began := time.Now()
	var callers sync.WaitGroup
	for caller := 0; caller < 64; caller++ {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for n := 0; n < total/64; n++ {
				_, err := client.Enqueue(asynq.NewTask("noop", payload))
				must(err)
			}
		}()
	}
	callers.Wait()
	enqueued := total / 64 * 64
	enqueueRate := float64(enqueued) / time.Since(began).Seconds()

	config := asynq.Config{Concurrency: concurrency, LogLevel: asynq.FatalLevel}
	if os.Args[4] == "fast" {
		config.TaskCheckInterval = 10 * time.Millisecond
	}
	server := asynq.NewServer(redis, config)
	var left atomic.Int64
	left.Store(int64(enqueued))
	done := make(chan struct{})
	began = time.Now()
	must(server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if left.Add(-1) == 0 {
			close(done)
		}
		return nil
	})))
	<-done
	fmt.Printf("%.0f %.0f\n", enqueueRate, float64(enqueued)/time.Since(began).Seconds())
	server.Shutdown()
}
