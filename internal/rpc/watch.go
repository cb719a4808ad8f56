package rpc

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"tallystick/internal/db"
	"tallystick/internal/outbox"
	"tallystick/ledger"
)

// Watched is what stands behind the calls and is measured too.
type Watched struct {
	Ledger *ledger.Ledger
	// Pools are the database's pools by their names.
	Pools map[string]*db.Pool
	// SweepLag is how long work has been overdue; Outbox is how far the deliveries are.
	SweepLag func(context.Context) (time.Duration, error)
	Outbox   func(context.Context) (outbox.Lag, error)
}

// Watch measures what stands behind the calls. It must be called before anything is posted. With traces, each batch is a
// span that links to the calls it answers, with a span below for each of load, save and commit; traces may be nil.
func Watch(w Watched, registry prometheus.Registerer, traces *Traces) {
	batch := newBatchMetrics(registry)
	w.Ledger.Observe(batch.observer(traces))
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tallystick_queue_length", Help: "Items that wait for a lane.",
	}, func() float64 { return float64(w.Ledger.Queued()) }), behind{w})
}

// MetricsHandler shows what registry holds.
func MetricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// batchMetrics are of the lanes.
type batchMetrics struct {
	requests           prometheus.Histogram
	seconds            *prometheus.HistogramVec
	reruns, bisections prometheus.Counter
	refusals           *prometheus.CounterVec
}

func newBatchMetrics(registry prometheus.Registerer) *batchMetrics {
	m := &batchMetrics{
		requests: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tallystick_batch_requests", Help: "Requests in one database transaction.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tallystick_batch_seconds",
			Help:    "How long a batch took, as a whole and its steps; commit is the database's COMMIT.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"step"}),
		reruns: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tallystick_batch_reruns_total", Help: "Batches that were written once more: a race on a key, or an unknown outcome.",
		}),
		bisections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tallystick_batch_bisections_total", Help: "Batches that were halved because an item could not be written.",
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tallystick_refusals_recorded_total", Help: "Refusals that were recorded, by reason.",
		}, []string{"reason"}),
	}
	registry.MustRegister(m.requests, m.seconds, m.reruns, m.bisections, m.refusals)
	return m
}

func (m *batchMetrics) observer(traces *Traces) ledger.Observer {
	steps := make(map[string]prometheus.Observer)
	for _, step := range [...]string{"batch", "load", "save", "commit"} {
		steps[step] = m.seconds.WithLabelValues(step)
	}
	return ledger.Observer{
		Batch: func(ctx context.Context, callers iter.Seq[context.Context], requests int) (context.Context, func(error)) {
			began := time.Now()
			ctx, span := traces.batch(ctx, callers, requests)
			return ctx, func(err error) {
				m.requests.Observe(float64(requests))
				steps["batch"].Observe(time.Since(began).Seconds())
				endSpan(span, err)
			}
		},
		Step: func(ctx context.Context, name string) func() {
			began := time.Now()
			span := traces.step(ctx, name)
			return func() {
				steps[name].Observe(time.Since(began).Seconds())
				endSpan(span, nil)
			}
		},
		Rerun:     m.reruns.Inc,
		Bisection: m.bisections.Inc,
		Refused:   func(reason ledger.Reason) { m.refusals.WithLabelValues(string(reason)).Inc() },
	}
}

// maxLinks bounds how many calls a batch's span names.
const maxLinks = 128

// batch begins the span of a batch; none when nobody listens.
func (t *Traces) batch(ctx context.Context, callers iter.Seq[context.Context], requests int) (context.Context, trace.Span) {
	if t == nil {
		return ctx, nil
	}
	var links []trace.Link
	for caller := range callers {
		if span := trace.SpanContextFromContext(caller); span.IsValid() && len(links) < maxLinks {
			links = append(links, trace.Link{SpanContext: span})
		}
	}
	return t.tracer.Start(ctx, "batch", trace.WithLinks(links...), trace.WithAttributes(attribute.Int("requests", requests)))
}

func (t *Traces) step(ctx context.Context, name string) trace.Span {
	if t == nil {
		return nil
	}
	_, span := t.tracer.Start(ctx, name)
	return span
}

// endSpan ends a span that may be none. The error's text is for the log: it may quote a statement.
func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(otelcodes.Error, "")
	}
	span.End()
}

// behind asks, whenever metrics are read, how far the work behind the calls is.
type behind struct{ Watched }

var (
	poolConnections = prometheus.NewDesc("tallystick_pool_connections", "Database connections, by pool and state.", []string{"pool", "state"}, nil)
	poolWaits       = prometheus.NewDesc("tallystick_pool_waits_total", "How often a connection had to be waited for.", []string{"pool"}, nil)
	poolWaited      = prometheus.NewDesc("tallystick_pool_wait_seconds_total", "How long connections were waited for.", []string{"pool"}, nil)
	sweepLag        = prometheus.NewDesc("tallystick_sweep_lag_seconds", "How long the oldest work of the sweep has been overdue; absent when it cannot be asked.", nil, nil)
	outboxLag       = prometheus.NewDesc("tallystick_outbox_lag_seconds", "How long an event has waited while nothing was delivered to its endpoint; absent when it cannot be asked.", nil, nil)
	outboxWaiting   = prometheus.NewDesc("tallystick_outbox_undelivered", "Events that wait, once for each active endpoint.", nil, nil)
	outboxEndpoints = prometheus.NewDesc("tallystick_outbox_endpoints", "Endpoints in trouble: failing, or parked until an operator resumes them.", []string{"state"}, nil)
)

func (behind) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolConnections, poolWaits, poolWaited, sweepLag, outboxLag, outboxWaiting, outboxEndpoints} {
		to <- d
	}
}

func (b behind) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for name, pool := range b.Pools {
		stat := pool.Stat()
		gauge(poolConnections, float64(stat.AcquiredConns()), name, "in_use")
		gauge(poolConnections, float64(stat.IdleConns()), name, "idle")
		to <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(stat.EmptyAcquireCount()), name)
		to <- prometheus.MustNewConstMetric(poolWaited, prometheus.CounterValue, stat.EmptyAcquireWaitTime().Seconds(), name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if lag, err := b.SweepLag(ctx); err == nil {
		gauge(sweepLag, lag.Seconds())
	}
	if lag, err := b.Outbox(ctx); err == nil {
		gauge(outboxLag, lag.Oldest.Seconds())
		gauge(outboxWaiting, float64(lag.Undelivered))
		gauge(outboxEndpoints, float64(lag.Failing), "failing")
		gauge(outboxEndpoints, float64(lag.Parked), "parked")
	}
}
