// Asynqmon's HTTP interface on the Redis of a test. It says its address on standard output, and ends with its parent.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
)

func main() {
	handler := asynqmon.New(asynqmon.Options{RedisConnOpt: asynq.RedisClientOpt{Network: "unix", Addr: os.Args[1]}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		if _, err := io.Copy(io.Discard, os.Stdin); err == nil {
			os.Exit(0)
		}
	}()
	panic(http.Serve(listener, handler))
}
