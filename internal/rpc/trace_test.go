package rpc_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"tallystick/internal/rpc"
)

func TestCallsAreTracedWhenSomebodyListens(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, data...)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	tracing, flush, err := rpc.Tracing(t.Context())
	if err != nil || tracing == nil {
		t.Fatalf("%v, %v", tracing, err)
	}
	w := newWorld(t, func(cfg *rpc.Config) { cfg.Tracing = tracing })
	w.accrue("m1", "100")
	if err := flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	span := protowire.AppendString(nil, "tallystick.v1.LedgerService/Accrue")
	if !bytes.Contains(got, span) {
		t.Errorf("no span of the call in %d bytes", len(got))
	}
	if bytes.Contains(got, []byte("m1")) && bytes.Contains(got, []byte("member")) {
		t.Error("a span names the member")
	}
}

func TestNobodyListeningCostsNothing(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	if tracing, flush, err := rpc.Tracing(t.Context()); tracing != nil || err != nil || flush(t.Context()) != nil {
		t.Errorf("%v, %v", tracing, err)
	}
}
