// A Go service that traces its tasks, for the test of a trace that crosses languages: asynq as released, OpenTelemetry
// as released, and between them what asynq leaves to its users: a client that writes the span's context into the
// headers of a task, and a middleware that reads it there.
//
//	otel -redis SOCKET -otlp URL send QUEUE         enqueue a task of type "relay"
//	otel -redis SOCKET -otlp URL serve QUEUE [NEXT] handle such tasks, and send one on to NEXT, until stdin ends
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/hibiken/asynq"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const kind = "relay"

var tracer = otel.Tracer("go-service")

func main() {
	socket := flag.String("redis", "", "path of the store's socket")
	otlp := flag.String("otlp", "", "URL that takes spans")
	flag.Parse()
	provider, err := tracing(*otlp)
	if err == nil {
		err = run(asynq.RedisClientOpt{Network: "unix", Addr: *socket}, flag.Args())
		err = errors.Join(err, provider.Shutdown(context.Background()))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func tracing(url string) (*sdk.TracerProvider, error) {
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(url))
	if err != nil {
		return nil, err
	}
	service := resource.NewSchemaless(attribute.String("service.name", "go"))
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter), sdk.WithResource(service))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return provider, nil
}

func run(redis asynq.RedisConnOpt, words []string) error {
	client := asynq.NewClient(redis)
	defer client.Close()
	if len(words) == 2 && words[0] == "send" {
		tenant, err := baggage.NewMember("tenant", "blue")
		if err != nil {
			return err
		}
		carried, err := baggage.New(tenant)
		if err != nil {
			return err
		}
		return send(baggage.ContextWithBaggage(context.Background(), carried), client, words[1], []byte(`{}`))
	}
	if len(words) >= 2 && words[0] == "serve" {
		return serve(redis, client, words[1], words[2:])
	}
	return fmt.Errorf("say send QUEUE or serve QUEUE [NEXT], not %q", words)
}

// What every operation on a queue says of itself.
func about(operation, queue string) trace.SpanStartOption {
	return trace.WithAttributes(
		attribute.String("messaging.system", "asynq"),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", operation),
		attribute.String("messaging.destination.name", queue),
	)
}

func send(ctx context.Context, client *asynq.Client, queue string, payload []byte) error {
	ctx, span := tracer.Start(ctx, "send "+queue, trace.WithSpanKind(trace.SpanKindProducer), about("send", queue))
	defer span.End()
	headers := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, headers)
	info, err := client.EnqueueContext(ctx, asynq.NewTaskWithHeaders(kind, payload, headers), asynq.Queue(queue))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return err
	}
	span.SetAttributes(attribute.String("messaging.message.id", info.ID))
	return nil
}

// Run each task in a span that continues the trace in its headers.
func traced(next asynq.Handler) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		queue, _ := asynq.GetQueueName(ctx)
		id, _ := asynq.GetTaskID(ctx)
		ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.MapCarrier(task.Headers()))
		ctx, span := tracer.Start(ctx, "process "+queue, trace.WithSpanKind(trace.SpanKindConsumer), about("process", queue))
		defer span.End()
		span.SetAttributes(
			attribute.String("messaging.message.id", id),
			attribute.String("tenant", baggage.FromContext(ctx).Member("tenant").Value()),
		)
		return next.ProcessTask(ctx, task)
	})
}

func serve(redis asynq.RedisConnOpt, client *asynq.Client, queue string, next []string) error {
	server := asynq.NewServer(redis, asynq.Config{Queues: map[string]int{queue: 1}, LogLevel: asynq.ErrorLevel})
	mux := asynq.NewServeMux()
	mux.Use(traced)
	mux.HandleFunc(kind, func(ctx context.Context, task *asynq.Task) error {
		for _, to := range next {
			if err := send(ctx, client, to, task.Payload()); err != nil {
				return err
			}
		}
		return nil
	})
	if err := server.Start(mux); err != nil {
		return err
	}
	fmt.Println("serving")
	_, err := io.Copy(io.Discard, bufio.NewReader(os.Stdin))
	server.Shutdown()
	return err
}
