// Command differential applies operations to a database with asynq, one JSON line in, one out.
package main

import (
	"os"

	"github.com/hibiken/asynq"
)

func main() {
	asynq.Drive(os.Args[1], os.Stdin, os.Stdout)
}
