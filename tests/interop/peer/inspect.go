package main

import (
	"fmt"

	"github.com/hibiken/asynq"
)

type lookup struct {
	Queue   string
	ID      string
	State   string
	Group   string
	Payload []byte
	Force   bool
	Page    int
	Size    int
}

type (
	lister  func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error)
	counter func(string) (int, error)
)

func inspect(redis asynq.RedisConnOpt, do string, l lookup) (any, error) {
	i := asynq.NewInspector(redis)
	defer i.Close()
	switch do {
	case "queues":
		return i.Queues()
	case "stats":
		return i.GetQueueInfo(l.Queue)
	case "history":
		return i.History(l.Queue, 10)
	case "info":
		info, err := i.GetTaskInfo(l.Queue, l.ID)
		if err != nil {
			return nil, err
		}
		return shown(info), nil
	case "list":
		return list(i, l)
	case "run":
		return nil, i.RunTask(l.Queue, l.ID)
	case "archive":
		return nil, i.ArchiveTask(l.Queue, l.ID)
	case "delete":
		return nil, i.DeleteTask(l.Queue, l.ID)
	case "cancel":
		return nil, i.CancelProcessing(l.ID)
	case "run_all", "archive_all", "delete_all":
		return all(i, do, l)
	case "update":
		return nil, i.UpdateTaskPayload(l.Queue, l.ID, l.Payload)
	case "pause":
		return nil, i.PauseQueue(l.Queue)
	case "unpause":
		return nil, i.UnpauseQueue(l.Queue)
	case "remove":
		return nil, i.DeleteQueue(l.Queue, l.Force)
	case "groups":
		return i.Groups(l.Queue)
	case "servers":
		return servers(i)
	case "entries":
		return entries(i)
	case "events":
		return events(i, l)
	}
	return nil, fmt.Errorf("no such order: %q", do)
}

func shown(t *asynq.TaskInfo) map[string]any {
	return map[string]any{
		"id": t.ID, "queue": t.Queue, "type": t.Type, "payload": t.Payload, "state": t.State.String(),
		"headers": t.Headers, "max_retry": t.MaxRetry, "retried": t.Retried, "error": t.LastErr,
		"failed_at": unix(t.LastFailedAt), "timeout": t.Timeout.Seconds(), "deadline": unix(t.Deadline),
		"group": t.Group, "next": unix(t.NextProcessAt), "retention": t.Retention.Seconds(),
		"completed_at": unix(t.CompletedAt), "result": t.Result,
	}
}

func list(i *asynq.Inspector, l lookup) (any, error) {
	lists := map[string]lister{
		"pending": i.ListPendingTasks, "active": i.ListActiveTasks, "scheduled": i.ListScheduledTasks,
		"retry": i.ListRetryTasks, "archived": i.ListArchivedTasks, "completed": i.ListCompletedTasks,
		"aggregating": func(queue string, options ...asynq.ListOption) ([]*asynq.TaskInfo, error) {
			return i.ListAggregatingTasks(queue, l.Group, options...)
		},
	}
	infos, err := lists[l.State](l.Queue, asynq.PageSize(l.Size), asynq.Page(l.Page))
	tasks := []map[string]any{}
	for _, info := range infos {
		tasks = append(tasks, shown(info))
	}
	return tasks, err
}

func all(i *asynq.Inspector, do string, l lookup) (any, error) {
	grouped := func(act func(string, string) (int, error)) counter {
		return func(queue string) (int, error) { return act(queue, l.Group) }
	}
	acts := map[string]counter{
		"run_all scheduled": i.RunAllScheduledTasks, "run_all retry": i.RunAllRetryTasks,
		"run_all archived": i.RunAllArchivedTasks, "run_all aggregating": grouped(i.RunAllAggregatingTasks),
		"archive_all pending": i.ArchiveAllPendingTasks, "archive_all scheduled": i.ArchiveAllScheduledTasks,
		"archive_all retry": i.ArchiveAllRetryTasks, "archive_all aggregating": grouped(i.ArchiveAllAggregatingTasks),
		"delete_all pending": i.DeleteAllPendingTasks, "delete_all scheduled": i.DeleteAllScheduledTasks,
		"delete_all retry": i.DeleteAllRetryTasks, "delete_all archived": i.DeleteAllArchivedTasks,
		"delete_all completed": i.DeleteAllCompletedTasks, "delete_all aggregating": grouped(i.DeleteAllAggregatingTasks),
	}
	return acts[do+" "+l.State](l.Queue)
}

func servers(i *asynq.Inspector) (any, error) {
	found, err := i.Servers()
	lines := []map[string]any{}
	for _, s := range found {
		workers := []map[string]any{}
		for _, w := range s.ActiveWorkers {
			workers = append(workers, map[string]any{"id": w.TaskID, "type": w.TaskType, "payload": w.TaskPayload,
				"queue": w.Queue, "time": w.Deadline.Sub(w.Started).Seconds()})
		}
		lines = append(lines, map[string]any{"id": s.ID, "host": s.Host, "pid": s.PID, "concurrency": s.Concurrency,
			"queues": s.Queues, "strict": s.StrictPriority, "status": s.Status, "started": unix(s.Started), "workers": workers})
	}
	return lines, err
}

func entries(i *asynq.Inspector) (any, error) {
	found, err := i.SchedulerEntries()
	lines := []map[string]any{}
	for _, e := range found {
		options := []string{}
		for _, option := range e.Opts {
			options = append(options, option.String())
		}
		lines = append(lines, map[string]any{"id": e.ID, "spec": e.Spec, "type": e.Task.Type(), "payload": e.Task.Payload(),
			"options": options, "next": unix(e.Next), "prev": unix(e.Prev)})
	}
	return lines, err
}

func events(i *asynq.Inspector, l lookup) (any, error) {
	found, err := i.ListSchedulerEnqueueEvents(l.ID, asynq.PageSize(l.Size), asynq.Page(l.Page))
	lines := []map[string]any{}
	for _, event := range found {
		lines = append(lines, map[string]any{"task": event.TaskID, "at": unix(event.EnqueuedAt)})
	}
	return lines, err
}
