package asynq

import (
	"time"

	"github.com/hibiken/asynq/internal/base"
)

type worker struct {
	ID        string
	Type      string
	Payload   []byte
	Queue     string
	StartNs   int64
	DeadlineS int64
}

type shownServer struct {
	Host        string
	PID         int
	ID          string
	Concurrency int
	Queues      map[string]int
	StartNs     int64
	Workers     []worker
}

type entry struct {
	ID      string
	Spec    string
	Type    string
	Payload []byte
	Options []string
	NextS   int64
	PrevS   int64
}

func instant(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// present writes and clears what servers and schedulers show of themselves.
func (d *driver) present(o order) (any, error) {
	switch o.Do {
	case "show":
		s := o.Server
		info := &base.ServerInfo{
			Host: s.Host, PID: s.PID, ServerID: s.ID, Concurrency: s.Concurrency, Queues: s.Queues, Status: "active",
			Started: time.Unix(0, s.StartNs), ActiveWorkerCount: len(s.Workers),
		}
		var workers []*base.WorkerInfo
		for _, w := range s.Workers {
			workers = append(workers, &base.WorkerInfo{
				Host: s.Host, PID: s.PID, ServerID: s.ID, ID: w.ID, Type: w.Type, Payload: w.Payload, Queue: w.Queue,
				Started: time.Unix(0, w.StartNs), Deadline: time.Unix(w.DeadlineS, 0),
			})
		}
		return "ok", d.rdb.WriteServerState(info, workers, 10*time.Second)
	case "hide":
		return "ok", d.rdb.ClearServerState(o.Server.Host, o.Server.PID, o.Server.ID)
	case "entries":
		var entries []*base.SchedulerEntry
		for _, e := range o.Entries {
			entries = append(entries, &base.SchedulerEntry{
				ID: e.ID, Spec: e.Spec, Type: e.Type, Payload: e.Payload, Opts: e.Options, Next: instant(e.NextS), Prev: instant(e.PrevS),
			})
		}
		return "ok", d.rdb.WriteSchedulerEntries(o.Scheduler, entries, time.Duration(o.TTLs)*time.Second)
	case "hide entries":
		return "ok", d.rdb.ClearSchedulerEntries(o.Scheduler)
	}
	event := &base.SchedulerEnqueueEvent{TaskID: o.ID, EnqueuedAt: driverClock.Now()}
	return "ok", d.rdb.RecordSchedulerEnqueueEvent(o.EntryID, event)
}

func ids(infos []*TaskInfo, err error) (any, error) {
	found := []string{}
	for _, info := range infos {
		found = append(found, info.ID)
	}
	return found, err
}

func (d *driver) list(o order) ([]*TaskInfo, error) {
	page := []ListOption{Page(o.Page), PageSize(o.Size)}
	switch o.State {
	case "pending":
		return d.inspector.ListPendingTasks(o.Queue, page...)
	case "active":
		return d.inspector.ListActiveTasks(o.Queue, page...)
	case "scheduled":
		return d.inspector.ListScheduledTasks(o.Queue, page...)
	case "retry":
		return d.inspector.ListRetryTasks(o.Queue, page...)
	case "archived":
		return d.inspector.ListArchivedTasks(o.Queue, page...)
	case "completed":
		return d.inspector.ListCompletedTasks(o.Queue, page...)
	}
	return d.inspector.ListAggregatingTasks(o.Queue, o.Group, page...)
}

func epoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// inspect asks the public inspector.
func (d *driver) inspect(o order) (any, error) {
	i := d.inspector
	switch o.Do {
	case "queues":
		return i.Queues()
	case "list":
		return ids(d.list(o))
	case "info":
		t, err := i.GetTaskInfo(o.Queue, o.ID)
		if err != nil {
			return nil, err
		}
		return []any{t.Type, t.Payload, t.State.String(), t.MaxRetry, t.Retried, t.LastErr, epoch(t.LastFailedAt), int64(t.Timeout.Seconds()),
			epoch(t.Deadline), t.Group, epoch(t.NextProcessAt), int64(t.Retention.Seconds()), epoch(t.CompletedAt), t.Result, t.Headers}, nil
	case "stats":
		q, err := i.GetQueueInfo(o.Queue)
		if err != nil {
			return nil, err
		}
		return []any{q.Pending, q.Active, q.Scheduled, q.Retry, q.Archived, q.Completed, q.Aggregating, q.Processed, q.Failed,
			q.ProcessedTotal, q.FailedTotal, q.Paused, q.Latency.Milliseconds()}, nil
	case "history":
		days, err := i.History(o.Queue, o.Size)
		found := [][]any{}
		for _, day := range days {
			found = append(found, []any{day.Date.UTC().Format("2006-01-02"), day.Processed, day.Failed})
		}
		return found, err
	case "groups":
		groups, err := i.Groups(o.Queue)
		found := map[string]int{}
		for _, group := range groups {
			found[group.Group] = group.Size
		}
		return found, err
	case "run":
		return "ok", i.RunTask(o.Queue, o.ID)
	case "archive":
		return "ok", i.ArchiveTask(o.Queue, o.ID)
	case "delete":
		return "ok", i.DeleteTask(o.Queue, o.ID)
	case "cancel":
		return "ok", i.CancelProcessing(o.ID)
	case "update":
		return "ok", i.UpdateTaskPayload(o.Queue, o.ID, o.Payload)
	case "pause":
		return "ok", i.PauseQueue(o.Queue)
	case "resume":
		return "ok", i.UnpauseQueue(o.Queue)
	case "remove":
		return "ok", i.DeleteQueue(o.Queue, o.Force)
	}
	return d.all(o)
}

func (d *driver) all(o order) (any, error) {
	i := d.inspector
	plain := map[string]func(string) (int, error){
		"run all scheduled": i.RunAllScheduledTasks, "run all retry": i.RunAllRetryTasks, "run all archived": i.RunAllArchivedTasks,
		"archive all pending": i.ArchiveAllPendingTasks, "archive all scheduled": i.ArchiveAllScheduledTasks,
		"archive all retry": i.ArchiveAllRetryTasks, "delete all pending": i.DeleteAllPendingTasks,
		"delete all scheduled": i.DeleteAllScheduledTasks, "delete all retry": i.DeleteAllRetryTasks,
		"delete all archived": i.DeleteAllArchivedTasks, "delete all completed": i.DeleteAllCompletedTasks,
	}
	grouped := map[string]func(string, string) (int, error){
		"run all aggregating": i.RunAllAggregatingTasks, "archive all aggregating": i.ArchiveAllAggregatingTasks,
		"delete all aggregating": i.DeleteAllAggregatingTasks,
	}
	if do, known := plain[o.Do+" "+o.State]; known {
		return do(o.Queue)
	}
	if do, known := grouped[o.Do+" "+o.State]; known {
		return do(o.Queue, o.Group)
	}
	panic("no such order: " + o.Do + " " + o.State)
}
