package rpc

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"tallystick/internal/auth"
	"tallystick/internal/devdb"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// The numbers of ADR 0034 and of the reference's D.6, as an operator reads them.
func TestAServerHasTheLimitsThatAreDocumented(t *testing.T) {
	server := HTTPServer(http.NotFoundHandler())
	for name, c := range map[string]struct{ got, want time.Duration }{
		"headers": {server.ReadHeaderTimeout, 5 * time.Second}, "reading": {server.ReadTimeout, 15 * time.Second},
		"writing": {server.WriteTimeout, 70 * time.Second}, "idle": {server.IdleTimeout, 60 * time.Second},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if server.MaxHeaderBytes != 16<<10 || !server.Protocols.HTTP1() || !server.Protocols.UnencryptedHTTP2() {
		t.Errorf("%d bytes of headers, protocols %v", server.MaxHeaderBytes, server.Protocols)
	}
	reports := map[string]bool{
		api.FinanceServiceGetTrialBalanceProcedure: true, api.FinanceServiceGetRollForwardProcedure: true,
		api.FinanceServiceListRollForwardLegsProcedure: true, api.LedgerServiceExplainBalanceProcedure: true,
		api.LedgerServiceExplainTransactionProcedure: true,
	}
	for path := range methodsByGet() {
		want := procedure{deadline: 10 * time.Second, maxBytes: 64 << 10}
		if reports[path] {
			want.deadline = time.Minute
		}
		if path == api.LedgerServicePostBatchProcedure || path == api.AdminServiceApplyProgrammeProcedure {
			want.maxBytes = 1 << 20
		}
		if got := procedureOf(path); got.deadline != want.deadline || got.maxBytes != want.maxBytes {
			t.Errorf("%s: %v and %d bytes, want %v and %d", path, got.deadline, got.maxBytes, want.deadline, want.maxBytes)
		}
	}
}

// door is a front door with a key of every role, and next behind it.
func door(t *testing.T, next http.HandlerFunc) (f *front, tokens map[auth.Role]string) {
	t.Helper()
	keys := auth.NewKeys(devdb.New(t), "test")
	tokens = make(map[auth.Role]string)
	for _, role := range auth.Roles {
		g := auth.Grant{Programme: uuid.New(), Role: role, Client: "tests", Life: time.Hour}
		if role == auth.Member || role == auth.Merchant {
			g.Subject = "one"
		}
		var err error
		if tokens[role], err = keys.Issue(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	return newFront(Config{
		Keys: keys, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), ExemptClients: []string{"tests"},
	}, next), tokens
}

func TestEveryCallHasTheDeadlineOfItsMethod(t *testing.T) {
	var deadline time.Time
	f, tokens := door(t, func(_ http.ResponseWriter, r *http.Request) { deadline, _ = r.Context().Deadline() })
	if f.maxInFlight != 512 {
		t.Errorf("%d calls in flight by default", f.maxInFlight)
	}
	for path, p := range procedures {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer "+tokens[p.roles[0]])
		deadline = time.Time{}
		before := time.Now()
		f.ServeHTTP(httptest.NewRecorder(), r)
		if deadline.Before(before.Add(p.deadline)) || deadline.After(time.Now().Add(p.deadline)) {
			t.Errorf("%s ends %v after its begin, want %v", path, deadline.Sub(before), p.deadline)
		}
	}
	if n := f.inFlight.Load(); n != 0 {
		t.Errorf("%d calls are still in flight", n)
	}
}

// untouched is a body that nobody may read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("read")
}

func (untouched) Close() error { return nil }

// E13, E28: what the headers tell costs neither memory nor unpacking.
func TestWhatItsHeadersForbidIsNotRead(t *testing.T) {
	f, tokens := door(t, func(http.ResponseWriter, *http.Request) { t.Error("it was served") })
	system := "Bearer " + tokens[auth.System]
	for name, c := range map[string]struct {
		length  int64
		headers []string
		status  int
	}{
		"gzip":          {63 << 10, []string{"Authorization", system, "Content-Encoding", "gzip"}, http.StatusNotImplemented},
		"brotli":        {100, []string{"Authorization", system, "Content-Encoding", "br"}, http.StatusNotImplemented},
		"gzip for gRPC": {100, []string{"Authorization", system, "Grpc-Encoding", "gzip"}, http.StatusNotImplemented},
		"ten megabytes": {10 << 20, []string{"Authorization", system}, http.StatusTooManyRequests},
		"one too many":  {callBytes + 1, []string{"Authorization", system}, http.StatusTooManyRequests},
		"no time-out":   {100, []string{"Authorization", system, "Connect-Timeout-Ms", "soon"}, http.StatusBadRequest},
		"no credential": {100, nil, http.StatusUnauthorized},
		"dots":          {100, []string{"Authorization", "Bearer " + strings.Repeat(".", 1<<20)}, http.StatusUnauthorized},
		"another role":  {100, []string{"Authorization", "Bearer " + tokens[auth.Member]}, http.StatusForbidden},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, api.LedgerServiceAccrueProcedure, untouched{t})
		r.ContentLength = c.length
		for i := 0; i+1 < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
