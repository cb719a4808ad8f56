package rpc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/outbox"
	"tallystick/internal/rpc"
	"tallystick/ledger"
	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func TestBodiesThatAreTooLargeOrPackedAreRefused(t *testing.T) { // E12, E13
	w := newWorld(t, nil)
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	if _, err := packer.Write(bytes.Repeat([]byte(" "), 60<<20)); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	large := accrual().but("reason", quote(strings.Repeat("x", 1<<20)))
	w.refuses([]hostile{
		{name: "a string of a megabyte", procedure: api.LedgerServiceAccrueProcedure, body: large, code: exhausted, reason: "REQUEST_TOO_LARGE"},
		{name: "ten megabytes", procedure: api.LedgerServicePostBatchProcedure, body: strings.Repeat(" ", 10<<20), code: exhausted, reason: "REQUEST_TOO_LARGE"},
		{name: "gzip bomb", procedure: api.LedgerServiceAccrueProcedure, body: bomb.String(), headers: []string{"Content-Encoding", "gzip"}, code: "unimplemented", reason: "REQUEST_MALFORMED"},
		{name: "brotli", procedure: api.LedgerServiceAccrueProcedure, body: accrual().but(), headers: []string{"Content-Encoding", "br"}, code: "unimplemented", reason: "REQUEST_MALFORMED"},
	})
}

func TestWhatIsNoCallIsAnsweredByHTTP(t *testing.T) { // E14, E55, E56
	w := newWorld(t, nil)
	before := w.books()
	bearer := "Bearer " + w.tokens[auth.System]
	accrue := api.LedgerServiceAccrueProcedure
	for _, c := range []struct {
		name, method, path string
		headers            []string
		status             int
	}{
		{"E14 wrong content type", http.MethodPost, accrue, []string{"Content-Type", "text/xml"}, http.StatusUnsupportedMediaType},
		{"E14 GET of a write", http.MethodGet, accrue, nil, http.StatusMethodNotAllowed},
		{"E14 unknown method", http.MethodPost, "/tallystick.v1.LedgerService/Mint", nil, http.StatusNotFound},
		{"E14 unknown service", http.MethodPost, "/tallystick.v2.LedgerService/Accrue", nil, http.StatusNotFound},
		{"E55 a form of another site", http.MethodPost, accrue, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"E55 another origin", http.MethodPost, accrue, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"E55 plain text", http.MethodPost, accrue, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		{"E56 a header of 40 KiB", http.MethodPost, accrue, []string{"X-Long", strings.Repeat("x", 40<<10)}, http.StatusRequestHeaderFieldsTooLarge},
		{"E28 a credential of a megabyte", http.MethodPost, accrue, []string{"Authorization", "Bearer " + strings.Repeat(".", 1<<20)}, http.StatusRequestHeaderFieldsTooLarge},
	} {
		body := accrual().but()
		if c.method == http.MethodGet {
			body = ""
		}
		got, err := w.raw(c.method, c.path, body, append([]string{"Authorization", bearer}, c.headers...)...)
		if err != nil && c.status == http.StatusRequestHeaderFieldsTooLarge {
			continue // the server hung up on the rest of the header before the answer could be read
		}
		if err != nil || got != c.status {
			t.Errorf("%s: %d, %v; want %d", c.name, got, err, c.status)
		}
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

// raw makes a request and returns its status.
func (w *world) raw(method, path, body string, headers ...string) (int, error) {
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func TestManyHeadersDoNoHarm(t *testing.T) { // E56
	w := newWorld(t, nil)
	var headers []string
	for i := range 200 {
		headers = append(headers, "X-H"+strings.Repeat("h", i%7)+string(rune('a'+i%26))+strings.Repeat("z", i/26), "1")
	}
	w.expect("200 headers", w.call(auth.System, api.LedgerServiceAccrueProcedure, accrual().but(), headers...), "ok", "")
	w.balanced()
}

func TestRequestIDIsTheCallersOnlyWhenItIsPlain(t *testing.T) {
	w := newWorld(t, nil)
	for id, kept := range map[string]bool{"abc-123": true, strings.Repeat("x", 65): false, `a"b`: false, "": false} {
		got := w.call(auth.System, api.LedgerServiceAccrueProcedure, accrual().but(), "X-Request-Id", id)
		if answered := got.header.Get("X-Request-Id"); answered == "" || (answered == id) != kept {
			t.Errorf("%q was answered as %q", id, answered)
		}
	}
}

func TestTimeoutsAreKeptOrRefused(t *testing.T) { // E15
	w := newWorld(t, nil)
	bad := []hostile{}
	for _, text := range []string{"abc", "12345678901", "-5", "1.5"} {
		bad = append(bad, hostile{
			name: text, procedure: api.LedgerServiceAccrueProcedure, body: accrual().but(),
			headers: []string{"Connect-Timeout-Ms", text}, code: invalid, reason: "REQUEST_MALFORMED",
		})
	}
	w.refuses(bad)

	before := w.books().transactions
	f := accrual()
	first := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but(), "Connect-Timeout-Ms", "1")
	if first.code != "ok" && first.code != "deadline_exceeded" { // it may be that fast
		t.Errorf("one millisecond: %d %s", first.status, first.body)
	}
	w.expect("retry", w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but()), "ok", "")
	if after := w.books().transactions; after != before+1 {
		t.Errorf("%d transactions were written, want 1", after-before)
	}
	w.balanced()
}

func TestBrokenFramesAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	before := w.books()
	bearer := "Bearer " + w.tokens[auth.System]
	for name, body := range map[string]string{
		"nothing": "", "half a prefix": "\x00\x00", "less than promised": "\x00\x00\x00\x00\x09abc", "more than promised": "\x00\x00\x00\x00\x01ab",
		"two messages": "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "packed": "\x01\x00\x00\x00\x01a", "trailers": "\x80\x00\x00\x00\x01a",
		"four gigabytes": "\x00\xff\xff\xff\xffa", "no message": "\x00\x00\x00\x00\x02\xff\xff",
	} {
		for _, contentType := range []string{"application/grpc-web+proto", "application/grpc-web+json"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+api.LedgerServiceAccrueProcedure, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", contentType)
			req.Header.Set("Authorization", bearer)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			data, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			status := res.Header.Get("Grpc-Status")
			if status == "" {
				_, rest, _ := strings.Cut(string(data), "grpc-status: ")
				status, _, _ = strings.Cut(rest, "\r\n")
			}
			if status != "3" && status != "12" { // invalid_argument, unimplemented
				t.Errorf("%s as %s: status %q\n%q", name, contentType, status, data)
			}
		}
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

func TestMoreCallsThanMayBeInFlightAreRefused(t *testing.T) {
	w := newWorld(t, func(cfg *rpc.Config) { cfg.MaxInFlight = 1 })
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() { // a call that waits for its body stays in flight
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+api.LedgerServiceAccrueProcedure, reader)
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+w.tokens[auth.System])
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}
		done <- err
	}()
	body := accrual().but()
	if _, err := writer.Write([]byte(body[:10])); err != nil { // returns when the client has begun to send
		t.Fatal(err)
	}
	refused := false
	for !refused {
		got := w.call(auth.System, api.LedgerServiceGetBalanceProcedure, `{"memberId":"m1","unit":"points"}`)
		refused = got.is(exhausted, "TOO_MANY_IN_FLIGHT")
	}
	if _, err := writer.Write([]byte(body[10:])); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.expect("afterwards", w.call(auth.System, api.LedgerServiceAccrueProcedure, accrual().but()), "ok", "")
}

func TestClientsThatHangUpLeaveWholePostings(t *testing.T) { // E61
	w := newWorld(t, nil)
	const calls = 1000
	client := w.ledgerClient()
	request := func(i int) *v1.AccrueRequest {
		return &v1.AccrueRequest{IdempotencyKey: "hang-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), MemberId: "m1", Unit: "points", Amount: "1"}
	}
	var all sync.WaitGroup
	for lane := range 8 {
		all.Go(func() {
			for i := lane; i < calls; i += 8 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%40)*100*time.Microsecond)
				_, _ = client.Accrue(ctx, request(i)) // whatever it answers, the retry decides
				cancel()
			}
		})
	}
	all.Wait()
	for lane := range 8 {
		all.Go(func() {
			for i := lane; i < calls; i += 8 {
				if _, err := client.Accrue(t.Context(), request(i)); err != nil {
					t.Errorf("retry: %v", err)
				}
			}
		})
	}
	all.Wait()
	if got := w.available("m1"); got != "1000" {
		t.Errorf("available %s, want 1000", got)
	}
	w.balanced()
}

// gate is a network that can be cut.
type gate struct {
	cut   atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
}

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if g.cut.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("the network is cut")}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		g.mu.Lock()
		g.conns = append(g.conns, conn)
		g.mu.Unlock()
	}
	return conn, err
}

func (g *gate) close() {
	g.cut.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.conns {
		_ = conn.Close()
	}
}

func TestWithoutItsDatabaseTheServerSaysSoAndRecovers(t *testing.T) { // E62
	network := &gate{}
	w := newWorld(t, nil)
	pool := devdb.Open(t, w.pool.Config().ConnString(), db.Options{Poster: true, Dial: network.dial})
	books := ledger.New(pool, pool)
	t.Cleanup(books.Close)
	vouchers := partners.New(books, pool)
	w.url = serve(t, w.config(func(cfg *rpc.Config) {
		cfg.Ledger, cfg.Vouchers, cfg.Benefits = books, vouchers, benefits.New(books, pool, vouchers)
		cfg.Keys, cfg.Webhooks = auth.NewKeys(pool, "test"), outbox.NewEndpoints(pool, outbox.Config{})
		cfg.Checks = []rpc.Check{{Name: "database", Run: pool.Ping}}
	}))
	for _, role := range auth.Roles { // the keys are remembered now
		w.call(role, api.LedgerServiceGetBalanceProcedure, `{}`)
	}
	w.accrue("m1", "100")
	if status, err := w.raw(http.MethodGet, "/readyz", ""); err != nil || status != http.StatusOK {
		t.Errorf("ready: %d, %v", status, err)
	}
	network.close()
	f := accrual()
	before := w.books()
	got := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but(), "Connect-Timeout-Ms", "8000")
	if got.code != "unavailable" {
		t.Errorf("a write: %d %s %s %s", got.status, got.code, got.reason, got.body)
	}
	for _, m := range allMethods() {
		data, err := protojson.Marshal(sample(m.input, 0))
		if err != nil {
			t.Fatal(err)
		}
		got := w.call(m.role, m.procedure, string(data))
		if got.code != "unavailable" {
			t.Errorf("%s: %d %s", m.procedure, got.status, got.body)
		}
	}
	if status, err := w.raw(http.MethodGet, "/readyz", ""); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("not ready: %d, %v", status, err)
	}
	if status, err := w.raw(http.MethodGet, "/livez", ""); err != nil || status != http.StatusOK {
		t.Errorf("alive: %d, %v", status, err)
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	network.cut.Store(false)
	w.expect("the same request again", w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but()), "ok", "")
	w.balanced()
}

func TestWhenEveryConnectionIsInUseTheServerSaysSo(t *testing.T) { // E62
	w := newWorld(t, nil)
	pool := devdb.Open(t, w.pool.Config().ConnString(), db.Options{Poster: true, MaxConns: 2})
	books := ledger.New(pool, pool)
	t.Cleanup(books.Close)
	vouchers := partners.New(books, pool)
	w.url = serve(t, w.config(func(cfg *rpc.Config) {
		cfg.Ledger, cfg.Vouchers, cfg.Benefits = books, vouchers, benefits.New(books, pool, vouchers)
		cfg.Keys, cfg.Webhooks = auth.NewKeys(pool, "test"), outbox.NewEndpoints(pool, outbox.Config{})
	}))
	w.accrue("m1", "100") // the key of the system is remembered now, that of finance is not
	before := w.books()
	for range 2 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	f := accrual()
	var all sync.WaitGroup
	for name, ask := range map[string]func() answer{
		"a write": func() answer { return w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but()) },
		"a balance": func() answer {
			return w.call(auth.System, api.LedgerServiceGetBalanceProcedure, `{"memberId":"m1","unit":"points"}`)
		},
		"a statement": func() answer {
			return w.call(auth.System, api.LedgerServiceListEntriesProcedure, `{"memberId":"m1","unit":"points"}`)
		},
		"an unseen key": func() answer { return w.call(auth.Finance, api.FinanceServiceGetTrialBalanceProcedure, `{}`) },
	} {
		all.Go(func() { w.expect(name, ask(), exhausted, "DATABASE_BUSY") })
	}
	all.Wait()
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

func TestMetricsCountCallsByOutcome(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	tooMuch := spend("m1", "101").but()
	for range 3 { // recorded once, answered three times
		w.call(auth.System, api.LedgerServiceRedeemProcedure, tooMuch)
	}
	hook := w.call(auth.Operator, api.AdminServiceCreateWebhookProcedure, write("url", "https://93.184.216.34/hook").but())
	w.expect("webhook", hook, "ok", "")
	w.accrue("m1", "1")
	const park = `UPDATE webhook_endpoints SET state = 'parked'`
	if _, err := w.owner.Exec(t.Context(), park); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`tallystick_rpc_seconds_count{code="ok",procedure="/tallystick.v1.LedgerService/Accrue"} 2`,
		`tallystick_rpc_seconds_count{code="failed_precondition",procedure="/tallystick.v1.LedgerService/Redeem"} 3`,
		`tallystick_rpc_in_flight 0`,
		`tallystick_refusals_recorded_total{reason="INSUFFICIENT_POINTS"} 1`,
		`tallystick_batch_requests_bucket{le="1"} 7`, // the stock, the clock, two accruals and three redemptions
		`tallystick_batch_seconds_count{step="commit"} 7`,
		`tallystick_batch_seconds_count{step="load"} 7`,
		`tallystick_batch_reruns_total 0`,
		`tallystick_batch_bisections_total 0`,
		`tallystick_queue_length 0`,
		`tallystick_pool_connections{pool="posting",state="in_use"} 0`,
		`tallystick_pool_waits_total{pool="posting"} `,
		`tallystick_pool_wait_seconds_total{pool="posting"} `,
		`tallystick_sweep_lag_seconds 0`,
		`tallystick_outbox_lag_seconds 0`,
		`tallystick_outbox_undelivered 0`,
		`tallystick_outbox_endpoints{state="parked"} 1`,
	} {
		if !strings.Contains(string(data), line) {
			t.Errorf("no line %s", line)
		}
	}
}

func TestGRPCOverHTTP2AndReflectionAnswer(t *testing.T) {
	w := newWorld(t, nil)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	plain := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	authenticated := &http.Client{Transport: bearer{w.tokens[auth.System], plain.Transport}}
	client := api.NewLedgerServiceClient(authenticated, w.url, connect.WithGRPC())
	m := &v1.AccrueRequest{IdempotencyKey: "k", MemberId: "m1", Unit: "points", Amount: "1"}
	if _, err := client.Accrue(t.Context(), m); err != nil {
		t.Error(err)
	}
	m.Amount = "-1"
	if _, err := client.Accrue(t.Context(), m); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Error(err)
	}
	if status, err := w.raw(http.MethodPost, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ""); err != nil || status == http.StatusNotFound {
		t.Errorf("reflection: %d, %v", status, err)
	}
}

func TestPanicIsAnsweredAsOurBugAndLogged(t *testing.T) {
	w := newWorld(t, func(cfg *rpc.Config) { cfg.Webhooks = nil })
	got := w.call(auth.Operator, api.AdminServiceListWebhooksProcedure, `{}`, "X-Request-Id", "panic-1")
	w.expect("panic", got, "internal", "INTERNAL")
	if strings.Contains(string(got.body), "nil pointer") {
		t.Errorf("the cause is told: %s", got.body)
	}
	if text := w.log.String(); !strings.Contains(text, "nil pointer") || !strings.Contains(text, `"request_id":"panic-1"`) {
		t.Errorf("the cause is not in the log: %s", text)
	}
	w.expect("the next call", w.call(auth.System, api.LedgerServiceAccrueProcedure, accrual().but()), "ok", "")
}
