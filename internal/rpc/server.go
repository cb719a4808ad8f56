// Package rpc is the API: Connect, gRPC and gRPC-Web on one port, for everything that proto/tallystick/v1 describes.
//
// A call passes the front door (front.go: name, limits, credential, body), the interceptor (intercept.go: validation,
// errors) and a handler, which translates the message, calls the domain and translates back. Rules live in the domain.
package rpc

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/prometheus/client_golang/prometheus"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/outbox"
	"tallystick/ledger"
	"tallystick/partners"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// DefaultMaxInFlight is how many calls are served at a time; more are refused at once rather than made to wait.
const DefaultMaxInFlight = 512

// Config is what a server is made of.
type Config struct {
	Ledger   *ledger.Ledger
	Benefits *benefits.Catalog
	Vouchers *partners.Vouchers
	Webhooks *outbox.Endpoints
	Keys     *auth.Keys
	// PageKey signs page tokens. Servers behind one address share it; empty means a random one.
	PageKey []byte
	// MaxInFlight is DefaultMaxInFlight when it is zero.
	MaxInFlight int
	// Rates are DefaultRates when they are nil.
	Rates Rates
	// ExemptClients are the clients without a rate, such as the benchmark's.
	ExemptClients []string
	// Checks decide whether the server is ready.
	Checks []Check
	Log    *slog.Logger
	// Registry gets the metrics and is what /metrics shows.
	Registry *prometheus.Registry
	// MetricsApart says that /metrics has an address of its own, and is not to be shown to callers.
	MetricsApart bool
	// Traces is nil unless they go somewhere.
	Traces *Traces
}

// server has the methods of every service.
type server struct {
	ledger   *ledger.Ledger
	benefits *benefits.Catalog
	vouchers *partners.Vouchers
	webhooks *outbox.Endpoints
	pages    pages
}

// New returns the handler of everything that the server answers.
func New(cfg Config) (http.Handler, error) {
	validator, err := protovalidate.New(protovalidate.WithMessages(requests()...))
	if err != nil {
		return nil, fmt.Errorf("compile the rules of the contract: %w", err)
	}
	s := &server{
		ledger: cfg.Ledger, benefits: cfg.Benefits, vouchers: cfg.Vouchers, webhooks: cfg.Webhooks, pages: newPages(cfg.PageKey),
	}
	calls := newFront(cfg, s.mount(handlerOptions(cfg.Traces, validator)))

	mux := http.NewServeMux()
	// Keys are sent in a header, never in a cookie, so another site cannot use them. It is refused all the same: a
	// browser that calls from elsewhere is a mistake or an attempt.
	mux.Handle("/", http.NewCrossOriginProtection().Handler(calls))
	describe(mux)
	mux.HandleFunc("GET /livez", live)
	mux.Handle("GET /readyz", ready(cfg.Checks))
	if !cfg.MetricsApart {
		mux.Handle("GET /metrics", MetricsHandler(cfg.Registry))
	}
	return mux, nil
}

func handlerOptions(traces *Traces, validator protovalidate.Validator) []connect.HandlerOption {
	interceptors := []connect.Interceptor{interceptor(validator)}
	if traces != nil {
		interceptors = append([]connect.Interceptor{traces.calls}, interceptors...)
	}
	return []connect.HandlerOption{
		connect.WithInterceptors(interceptors...),
		connect.WithCodec(protoCodec{}),
		connect.WithCodec(jsonCodec{name: "json"}),
		connect.WithCodec(jsonCodec{name: "json; charset=utf-8"}),
		// A compressed request of 64 KiB may unpack to 60 MiB; nothing that we take is worth compressing.
		connect.WithCompression("gzip", nil, nil),
		// The front door bounds what is sent in a body; this bounds what is sent in the address of a GET.
		connect.WithReadMaxBytes(batchBytes),
	}
}

// mount puts every service on one mux.
func (s *server) mount(options []connect.HandlerOption) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(api.NewLedgerServiceHandler(s, options...))
	mux.Handle(api.NewMemberServiceHandler(s, options...))
	mux.Handle(api.NewMerchantServiceHandler(s, options...))
	mux.Handle(api.NewFinanceServiceHandler(s, options...))
	mux.Handle(api.NewAdminServiceHandler(s, options...))
	return mux
}

// describe puts reflection on mux. It tells the contract, which is public, and so does not pass the front door.
func describe(mux *http.ServeMux) {
	reflector := grpcreflect.NewStaticReflector(
		api.LedgerServiceName, api.MemberServiceName, api.MerchantServiceName, api.FinanceServiceName, api.AdminServiceName)
	small := connect.WithReadMaxBytes(callBytes)
	mux.Handle(grpcreflect.NewHandlerV1(reflector, small))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, small))
}

// HTTPServer is the listener's side: HTTP/1.1 and, for gRPC, HTTP/2 without TLS, with a limit for everything that a
// client may make us wait for or keep.
func HTTPServer(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      reportTime + 10*time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
}
