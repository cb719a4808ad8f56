package rpc

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
)

const requestIDHeader = "X-Request-Id"

// requestID is the caller's own when it is short and plain, so that it may stand in our log, or a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	if id == "" || len(id) > 64 {
		return rand.Text()
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return rand.Text()
		}
	}
	return id
}

// metrics count and time calls. Observers of successful calls are looked up once, at the start.
type metrics struct {
	seconds *prometheus.HistogramVec
	ok      map[string]prometheus.Observer
}

const okCode = "ok"

func newMetrics(registry prometheus.Registerer, inFlight func() float64) *metrics {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tallystick_rpc_seconds",
			Help:    "How long calls took, by procedure and outcome.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"procedure", "code"}),
		ok: make(map[string]prometheus.Observer, len(procedures)),
	}
	for procedure := range procedures {
		m.ok[procedure] = m.seconds.WithLabelValues(procedure, okCode)
	}
	registry.MustRegister(m.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tallystick_rpc_in_flight", Help: "Calls that are being served.",
	}, inFlight))
	return m
}

func (m *metrics) observe(c *call, took time.Duration) {
	switch {
	case c.refusal != nil:
		m.seconds.WithLabelValues(c.procedure, c.refusal.code.String()).Observe(took.Seconds())
	case c.reached:
		m.ok[c.procedure].Observe(took.Seconds())
	default:
		m.seconds.WithLabelValues(c.procedure, "not_a_message").Observe(took.Seconds())
	}
}

// record counts and logs a finished call. The log names the credential's client, never a key, a member or a voucher;
// success is not worth a line at the usual level.
func (f *front) record(ctx context.Context, c *call, took time.Duration) {
	f.metrics.observe(c, took)
	level := c.level()
	if !f.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", c.id), slog.String("procedure", c.procedure),
		slog.Float64("took_ms", float64(took.Microseconds())/1000),
	}
	if c.principal != nil {
		attrs = append(attrs, slog.String("role", string(c.principal.Role)), slog.String("client", c.principal.Client))
	}
	if c.refusal != nil {
		attrs = append(attrs, slog.String("code", c.refusal.code.String()), slog.String("reason", c.refusal.reason))
		if c.refusal.cause != nil {
			attrs = append(attrs, slog.String("cause", c.refusal.cause.Error()))
		}
	}
	f.log.LogAttrs(ctx, level, "call", attrs...)
}

func (c *call) level() slog.Level {
	if c.refusal == nil {
		return slog.LevelDebug
	}
	switch c.refusal.code {
	case connect.CodeInternal:
		return slog.LevelError
	case connect.CodeUnavailable, connect.CodeAborted, connect.CodeDeadlineExceeded:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
