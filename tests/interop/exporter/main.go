// Serves the metrics of asynq's own collector, on the store at the unix socket that is its argument.
//
// It says where, and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynq/x/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	inspector := asynq.NewInspector(asynq.RedisClientOpt{Network: "unix", Addr: os.Args[1]})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.NewQueueMetricsCollector(inspector))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	go func() { log.Fatal(http.Serve(listener, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}
