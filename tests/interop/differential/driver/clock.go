package asynq

import (
	"time"

	"github.com/hibiken/asynq/internal/timeutil"
)

// driverClock is the time in everything that asynq does here; the build puts it where asynq asks the machine's.
var driverClock = timeutil.NewSimulatedClock(time.Unix(0, 0))

func driverUntil(t time.Time) time.Duration {
	return t.Sub(driverClock.Now())
}
