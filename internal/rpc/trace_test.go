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
	traces, err := rpc.NewTraces(t.Context())
	if err != nil || traces == nil {
		t.Fatalf("%v, %v", traces, err)
	}
	w := newWorld(t, func(cfg *rpc.Config) { cfg.Traces = traces })
	const member = "nobody-else-is-called-this"
	w.accrue(member, "100")
	if err := traces.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, name := range []string{"tallystick.v1.LedgerService/Accrue", "batch", "load", "save", "commit"} {
		if !bytes.Contains(got, protowire.AppendString(nil, name)) {
			t.Errorf("no span %s in %d bytes", name, len(got))
		}
	}
	if bytes.Contains(got, []byte(member)) {
		t.Error("a span names the member")
	}
}

func TestNobodyListeningCostsNothing(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	if traces, err := rpc.NewTraces(t.Context()); traces != nil || err != nil || traces.Close(t.Context()) != nil {
		t.Errorf("%v, %v", traces, err)
	}
}
