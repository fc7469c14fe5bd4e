package asynq

import (
	"bufio"
	"context"
	"encoding/json"
	stderrors "errors"
	"io"
	"strings"
	"time"

	"github.com/hibiken/asynq/internal/base"
	"github.com/hibiken/asynq/internal/errors"
	"github.com/hibiken/asynq/internal/log"
	"github.com/hibiken/asynq/internal/rdb"
	"github.com/redis/go-redis/v9"
)

// order is one line of input; every operation takes of it what it needs. Times are microseconds.
type order struct {
	Do      string
	NowUs   int64
	Queue   string
	ID      string
	IDs     []string
	State   string
	Group   string
	Page    int
	Size    int
	Force   bool
	Payload []byte

	Type        string
	MaxRetry    int
	TimeoutUs   int64
	DeadlineS   int64
	UniqueUs    int64
	InUs        int64
	AtUs        int64
	RetentionUs int64
	Headers     map[string]string

	Result  []byte
	Error   string
	Kind    string
	DelayUs int64

	GraceS    int64
	MaxDelayS int64
	MaxSize   int
	SetID     string

	Server    shownServer
	Entries   []entry
	EntryID   string
	TTLs      int64
	Scheduler string
}

// held is a task that a worker runs: its message as it was taken, and its lease.
type held struct {
	msg   *base.TaskMessage
	lease *base.Lease
}

type driver struct {
	rdb       *rdb.RDB
	client    *Client
	inspector *Inspector
	processor *processor
	failed    chan *syncRequest
	held      map[string]held
	delay     time.Duration
	soft      bool
}

// Drive applies what comes in to database 1 behind a socket, until there is no more.
func Drive(socket string, in io.Reader, out io.Writer) {
	connection := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, DB: 1})
	var d *driver
	lines, answers := bufio.NewReader(in), json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var o order
		if err := json.Unmarshal(line, &o); err != nil {
			panic(err)
		}
		if o.NowUs != 0 {
			driverClock.SetTime(time.UnixMicro(o.NowUs).UTC())
		}
		if o.Do == "begin" {
			d = begin(connection)
			_ = answers.Encode("ok")
			continue
		}
		answer, err := d.apply(o)
		if err != nil {
			answer = "refused: " + kind(err)
		}
		_ = answers.Encode(answer)
	}
}

// begin forgets everything: a new client, and no worker holds a task.
func begin(connection *redis.Client) *driver {
	store := connect(connection)
	d := &driver{rdb: store, failed: make(chan *syncRequest, 1), held: map[string]held{}}
	d.client = &Client{broker: connect(connection), sharedConnection: true} // each in a process of its own
	d.inspector = &Inspector{rdb: connect(connection), sharedConnection: true}
	logger := log.NewLogger(silent{})
	d.processor = &processor{
		logger: logger, broker: store, clock: driverClock, syncRequestCh: d.failed,
		retryDelayFunc: func(int, error, *Task) time.Duration { return d.delay },
		isFailureFunc:  func(error) bool { return !d.soft },
	}
	return d
}

func connect(connection redis.UniversalClient) *rdb.RDB {
	store := rdb.NewRDB(connection)
	store.SetClock(driverClock)
	return store
}

type silent struct{}

func (silent) Debug(...interface{}) {}
func (silent) Info(...interface{})  {}
func (silent) Warn(...interface{})  {}
func (silent) Error(...interface{}) {}
func (silent) Fatal(...interface{}) {}

// kind names what the comparison tells apart.
func kind(err error) string {
	text := err.Error()
	switch {
	case stderrors.Is(err, ErrDuplicateTask):
		return "duplicate"
	case stderrors.Is(err, ErrTaskIDConflict):
		return "conflict"
	case stderrors.Is(err, ErrQueueNotFound), strings.Contains(text, "does not exist"):
		return "queue not found"
	case stderrors.Is(err, ErrTaskNotFound), errors.IsTaskNotFound(err):
		return "task not found"
	case stderrors.Is(err, ErrQueueNotEmpty):
		return "not empty"
	case strings.Contains(text, "FAILED_PRECONDITION"), strings.Contains(text, "is already paused"),
		strings.Contains(text, "is not paused"):
		return "precondition"
	}
	return text
}

func micro(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func (d *driver) apply(o order) (any, error) {
	switch o.Do {
	case "now":
		return "ok", nil
	case "new_client":
		d.client = &Client{broker: connect(d.rdb.Client()), sharedConnection: true}
		return "ok", nil
	case "enqueue":
		return d.enqueue(o)
	case "dequeue":
		return d.dequeue(o)
	case "succeed", "fail", "requeue":
		return d.finish(o)
	case "extend":
		return d.extend(o)
	case "upkeep":
		return d.upkeep(o)
	case "stage":
		return d.stage(o)
	case "combine":
		return d.combine(o)
	case "show", "hide", "entries", "hide entries", "event":
		return d.present(o)
	}
	return d.inspect(o)
}

func (d *driver) enqueue(o order) (any, error) {
	options := []Option{Queue(o.Queue), TaskID(o.ID), MaxRetry(o.MaxRetry), Timeout(micro(o.TimeoutUs)), Retention(micro(o.RetentionUs))}
	if o.DeadlineS != 0 {
		options = append(options, Deadline(time.Unix(o.DeadlineS, 0)))
	}
	if o.UniqueUs != 0 {
		options = append(options, Unique(micro(o.UniqueUs)))
	}
	if o.InUs != 0 {
		options = append(options, ProcessIn(micro(o.InUs)))
	}
	if o.AtUs != 0 {
		options = append(options, ProcessAt(time.UnixMicro(o.AtUs)))
	}
	if o.Group != "" {
		options = append(options, Group(o.Group))
	}
	var payload []byte // nil, as Go's usual "no payload" is
	if len(o.Payload) > 0 {
		payload = o.Payload
	}
	info, err := d.client.Enqueue(NewTaskWithHeaders(o.Type, payload, o.Headers), options...)
	if err != nil {
		return nil, err
	}
	return info.State.String(), nil
}

func (d *driver) dequeue(o order) (any, error) {
	msg, until, err := d.rdb.Dequeue(o.Queue)
	if stderrors.Is(err, errors.ErrNoProcessableTask) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d.held[o.Queue+" "+msg.ID] = held{msg, leaseUntil(until)}
	return msg.ID, nil
}

// valid says whether a worker would still write; one that is forced is given a lease of the moment.
func (d *driver) valid(h *held, o order) bool {
	if o.Force {
		h.lease = leaseUntil(driverClock.Now())
	}
	return h.lease.IsValid()
}

func leaseUntil(until time.Time) *base.Lease {
	lease := base.NewLease(until)
	lease.Clock = driverClock
	return lease
}

// finish does what a worker does when its handler has ended: asynq's own decisions, on the message that it holds.
func (d *driver) finish(o order) (any, error) {
	h, isHeld := d.held[o.Queue+" "+o.ID]
	if !isHeld {
		return "lost", nil
	}
	if !d.valid(&h, o) {
		return "lapsed", nil
	}
	msg := *h.msg
	d.delay, d.soft = micro(o.DelayUs), o.Kind == "soft"
	switch o.Do {
	case "succeed":
		if len(o.Result) > 0 && msg.Retention > 0 {
			if _, err := d.rdb.WriteResult(o.Queue, o.ID, o.Result); err != nil {
				return nil, err
			}
		}
		d.processor.handleSucceededMessage(h.lease, &msg)
	case "requeue":
		d.processor.requeue(h.lease, &msg)
	case "fail":
		d.processor.handleFailedMessage(context.Background(), h.lease, &msg, failure(o))
	}
	delete(d.held, o.Queue+" "+o.ID)
	select {
	case request := <-d.failed:
		return "lost: " + request.errMsg, nil
	default:
		return "applied", nil
	}
}

type handlerError struct {
	text string
	is   error
}

func (e handlerError) Error() string { return e.text }
func (e handlerError) Unwrap() error { return e.is }

func failure(o order) error {
	switch o.Kind {
	case "skip":
		return handlerError{o.Error, SkipRetry}
	case "revoke":
		return handlerError{o.Error, RevokeTask}
	}
	return stderrors.New(o.Error)
}

// extend does what the heartbeater does: only leases that are still valid here are extended.
func (d *driver) extend(o order) (any, error) {
	h, isHeld := d.held[o.Queue+" "+o.ID]
	if !isHeld {
		return "lost", nil
	}
	if !d.valid(&h, o) {
		return "lapsed", nil
	}
	until, err := d.rdb.ExtendLease(o.Queue, o.ID)
	if err != nil {
		return nil, err
	}
	d.held[o.Queue+" "+o.ID] = held{h.msg, leaseUntil(until)}
	return "ok", nil
}

// upkeep does once what forwarder, recoverer and janitor do from time to time.
func (d *driver) upkeep(o order) (any, error) {
	if err := d.rdb.ForwardIfReady(o.Queue); err != nil {
		return nil, err
	}
	d.delay, d.soft = micro(o.DelayUs), false
	recoverer := newRecoverer(recovererParams{
		logger: d.processor.logger, broker: d.rdb, queues: []string{o.Queue},
		retryDelayFunc: d.processor.retryDelayFunc, isFailureFunc: d.processor.isFailureFunc,
	})
	recoverer.recover()
	return "ok", d.rdb.DeleteExpiredCompletedTasks(o.Queue, 100)
}

// stage does what the aggregator does with groups that are due, after the upkeep that runs beside it.
func (d *driver) stage(o order) (any, error) {
	if answer, err := d.upkeep(o); err != nil {
		return answer, err
	}
	groups, err := d.rdb.ListGroups(o.Queue)
	if err != nil {
		return nil, err
	}
	grace, delay := time.Duration(o.GraceS)*time.Second, time.Duration(o.MaxDelayS)*time.Second
	for _, group := range groups {
		for id := "first"; id != ""; {
			if id, err = d.rdb.AggregationCheck(o.Queue, group, driverClock.Now(), grace, delay, o.MaxSize); err != nil {
				return nil, err
			}
		}
	}
	return "ok", nil
}

// combine does what the aggregator does with a set: its members become one task.
func (d *driver) combine(o order) (any, error) {
	if _, _, err := d.rdb.ReadAggregationSet(o.Queue, o.Group, o.SetID); err != nil {
		return nil, err
	}
	group := o.Group
	o.Group = ""
	if _, err := d.enqueue(o); err != nil {
		return nil, err
	}
	return "aggregated", d.rdb.DeleteAggregationSet(context.Background(), o.Queue, group, o.SetID)
}
