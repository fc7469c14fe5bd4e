// A Go peer for the interop tests: real asynq, ordered about in JSON lines on standard input.
//
// Each order has a number, and its answer the same one. What servers do comes in between, as lines with the
// server's name. Bytes are base64, as encoding/json has them; instants are seconds since 1970, 0 for none.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hibiken/asynq"
)

type order struct {
	N      int
	Do     string
	Socket string
	Name   string
	Spec   string
	BeatS  int
	Tasks  []task
	Server settings
	lookup
}

var (
	lines = json.NewEncoder(os.Stdout)
	mutex sync.Mutex
)

func say(line map[string]any) {
	mutex.Lock()
	defer mutex.Unlock()
	if err := lines.Encode(line); err != nil {
		panic(err)
	}
}

func connection(socket string) asynq.RedisClientOpt {
	return asynq.RedisClientOpt{Network: "unix", Addr: socket}
}

func carryOut(o order) (any, error) {
	redis := connection(o.Socket)
	switch o.Do {
	case "enqueue":
		return enqueue(redis, o.Tasks)
	case "serve":
		return nil, serve(redis, o.Name, o.Server)
	case "schedule":
		return schedule(redis, o.Name, o.Spec, o.BeatS, o.Tasks[0])
	case "stop":
		return nil, stop(o.Name)
	}
	return inspect(redis, o.Do, o.lookup)
}

func answer(o order) {
	line := map[string]any{"n": o.N}
	defer func() {
		if r := recover(); r != nil {
			line["error"] = fmt.Sprint("panic: ", r)
		}
		say(line)
	}()
	value, err := carryOut(o)
	line["answer"] = value
	switch {
	case errors.Is(err, asynq.ErrDuplicateTask):
		line["error"] = "duplicate"
	case errors.Is(err, asynq.ErrTaskIDConflict):
		line["error"] = "conflict"
	case err != nil:
		line["error"] = err.Error()
	}
}

// The program ends when its standard input does, and so with its parent.
func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<26)
	for input.Scan() {
		var o order
		if err := json.Unmarshal(input.Bytes(), &o); err != nil {
			panic(err)
		}
		go answer(o)
	}
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
