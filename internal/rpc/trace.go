package rpc

import (
	"context"
	"errors"
	"fmt"
	"os"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Traces makes spans of calls and of batches. Spans carry no message, so no member and no code.
type Traces struct {
	calls    connect.Interceptor
	tracer   trace.Tracer
	provider *sdktrace.TracerProvider
}

// NewTraces sends spans to where OpenTelemetry's own variables say. Without OTEL_EXPORTER_OTLP_ENDPOINT nobody listens: it
// returns nil, which is valid, and calls pay nothing.
func NewTraces(ctx context.Context) (*Traces, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil //nolint:nilnil // see above
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("trace exporter: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	interceptor, err := otelconnect.NewInterceptor(
		otelconnect.WithTracerProvider(provider), otelconnect.WithPropagator(propagation.TraceContext{}),
		otelconnect.WithTrustRemote(), otelconnect.WithoutMetrics(),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("trace interceptor: %w", err), provider.Shutdown(ctx))
	}
	return &Traces{calls: interceptor, tracer: provider.Tracer("tallystick"), provider: provider}, nil
}

// Close sends what is left.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}
