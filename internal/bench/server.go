package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tallystick/internal/auth"
	"tallystick/internal/rpc"
)

// server is the API that is measured.
type server struct {
	address string
	pid     int
	stop    func() error
}

func (b *bench) serve(ctx context.Context) (*server, error) {
	handler, err := rpc.New(rpc.Config{
		Ledger: b.ledger, Keys: auth.NewKeys(b.posting, "dev"), ExemptClients: []string{ClientName},
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := rpc.HTTPServer(handler)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	return &server{address: listener.Addr().String(), pid: os.Getpid(), stop: func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}}, nil
}

// printMemory says the most memory that the server held.
func (b *bench) printMemory() {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.server.pid))
	if err != nil {
		return // not Linux
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			b.print("server memory at most: %s", strings.TrimSpace(value))
		}
	}
}
