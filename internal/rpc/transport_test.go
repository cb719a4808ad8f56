package rpc_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"tallystick/internal/auth"
	"tallystick/internal/rpc"
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

func TestWhatIsNoCallIsAnsweredByHTTP(t *testing.T) { // E14, E55
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
	} {
		body := accrual().but()
		if c.method == http.MethodGet {
			body = ""
		}
		got, err := w.raw(c.method, c.path, body, append([]string{"Authorization", bearer}, c.headers...)...)
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

// wire sends a request by hand, as no HTTP client would write it, and returns the answer's status.
func (w *world) wire(headers string) int {
	w.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(w.t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := accrual().but()
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: tests\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n%s\r\n\r\n%s",
		api.LedgerServiceAccrueProcedure, w.tokens[auth.System], len(body), headers, body)
	go func() { _, _ = io.WriteString(conn, text) }() // the server may hang up before it has read all of it
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestHeadersThatAreTooLargeOrSplitAreRefused(t *testing.T) { // E28, E56
	w := newWorld(t, nil)
	before := w.books()
	for _, c := range []struct {
		name, headers string
		status        int
	}{
		{"20 KiB", "X-Long: " + strings.Repeat("x", 20<<10), http.StatusRequestHeaderFieldsTooLarge},
		{"40 KiB", "X-Long: " + strings.Repeat("x", 40<<10), http.StatusRequestHeaderFieldsTooLarge},
		{"a credential of a megabyte", "Authorization: Bearer " + strings.Repeat(".", 1<<20), http.StatusRequestHeaderFieldsTooLarge},
		{"CR in a value", "X-Note: a\rX-Request-Id: b", http.StatusBadRequest},
		{"LF in a value", "X-Note: a\nb", http.StatusBadRequest},
		{"NUL in a value", "X-Note: a\x00b", http.StatusBadRequest},
		{"a blank in a name", "X Note: a", http.StatusBadRequest},
	} {
		if got := w.wire(c.headers); got != c.status {
			t.Errorf("%s: %d, want %d", c.name, got, c.status)
		}
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	if got := w.wire("X-Note: a"); got != http.StatusOK {
		t.Errorf("a header as it should be: %d", got)
	}
	w.balanced()
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

	w.refuses([]hostile{{
		name: "no time at all", procedure: api.LedgerServiceAccrueProcedure, body: accrual().but(),
		headers: []string{"Connect-Timeout-Ms", "0"}, code: "deadline_exceeded", reason: "DEADLINE_EXCEEDED",
	}})

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

func TestWhatConnectWouldRefuseWithoutAReasonHasOne(t *testing.T) {
	w := newWorld(t, nil)
	before := w.books()
	bearer := []string{"Authorization", "Bearer " + w.tokens[auth.System]}
	message := url.QueryEscape(`{"memberId":"m1","unit":"points"}`)
	for query, want := range map[string]struct{ code, reason string }{
		"encoding=json&message=" + message:                                                {"ok", ""},
		"encoding=json&connect=v1&compression=identity&message=" + message:                {"ok", ""},
		"encoding=json&base64=1&message=eyJtZW1iZXJJZCI6Im0xIiwidW5pdCI6InBvaW50cyJ9":     {"ok", ""},
		"encoding=json&base64=1&message=eyJtZW1iZXJJZCI6Im0xIiwidW5pdCI6InBvaW50cyIgfQ==": {"ok", ""},
		"encoding=proto&base64=1&message=CgJtMRIGcG9pbnRz":                                {"ok", ""},
		"encoding=json":                                                {invalid, "REQUEST_MALFORMED"},
		"encoding=json&message=":                                       {invalid, "REQUEST_MALFORMED"},
		"encoding=json&message=%zz":                                    {invalid, "REQUEST_MALFORMED"},
		"encoding=json&message=%ff":                                    {invalid, "REQUEST_MALFORMED"},
		"encoding=json&message={}":                                     {invalid, "INVALID_FIELD"},
		"encoding=json&base64=1&message=%21":                           {invalid, "REQUEST_MALFORMED"},
		"encoding=json&base64=1&message=A":                             {invalid, "REQUEST_MALFORMED"},
		"encoding=json&base64=1&message=AA=":                           {invalid, "REQUEST_MALFORMED"},
		"encoding=proto&base64=1&message=____":                         {invalid, "REQUEST_MALFORMED"},
		"encoding=json&connect=v2&message=" + message:                  {invalid, "REQUEST_MALFORMED"},
		"encoding=json&compression=gzip&message=" + message:            {"unimplemented", "REQUEST_MALFORMED"},
		"encoding=json&compression=br&message=" + message:              {"unimplemented", "REQUEST_MALFORMED"},
		"encoding=json&message=" + message + "&compression=%00":        {"unimplemented", "REQUEST_MALFORMED"},
		"encoding=json&base64=1&message=" + strings.Repeat("A", 4<<10): {invalid, "REQUEST_MALFORMED"},
	} {
		w.expect(query, w.do(http.MethodGet, api.LedgerServiceGetBalanceProcedure+"?"+query, "", bearer...), want.code, want.reason)
	}
	body := accrual().but()
	w.refuses([]hostile{
		{name: "another version", procedure: api.LedgerServiceAccrueProcedure, body: body, headers: []string{"Connect-Protocol-Version", "2"}, code: invalid, reason: "REQUEST_MALFORMED"},
		{name: "packed as gRPC", procedure: api.LedgerServiceAccrueProcedure, body: body, headers: []string{"Grpc-Encoding", "gzip"}, code: "unimplemented", reason: "REQUEST_MALFORMED"},
	})
	const frame = "\x00\x00\x00\x00\x00"
	got := w.do(http.MethodPost, api.LedgerServiceAccrueProcedure, frame, append(bearer, "Content-Type", "application/grpc-web+proto", "Grpc-Encoding", "gzip")...)
	details, err := base64.RawStdEncoding.DecodeString(got.header.Get("Grpc-Status-Details-Bin"))
	if err != nil || got.header.Get("Grpc-Status") != "12" || !bytes.Contains(details, []byte("REQUEST_MALFORMED")) {
		t.Errorf("packed as gRPC-Web: status %q, details %q, %v", got.header.Get("Grpc-Status"), details, err)
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

// A client may put anything into the field that carries our decoding errors to the interceptor.
func TestWhatAClientSaysOfItsOwnRequestIsCutAndCleaned(t *testing.T) {
	w := newWorld(t, nil)
	field := protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.BytesType)
	for name, text := range map[string]string{"long": strings.Repeat("x", 60<<10), "not UTF-8": "\xff\xfe", "cut within a symbol": strings.Repeat("x", 199) + "你"} {
		body := protowire.AppendString(slices.Clone(field), text)
		got := w.call(auth.System, api.LedgerServiceAccrueProcedure, string(body), "Content-Type", "application/proto")
		w.expect(name, got, invalid, "REQUEST_MALFORMED")
		if problem := got.meta["problem"]; problem == "" || len(problem) > 200 {
			t.Errorf("%s: the problem has %d bytes", name, len(problem))
		}
	}
	w.balanced()
}

func TestAMethodWithoutARowIsRefusedToEverybody(t *testing.T) {
	rpc.WithoutRow(t, api.LedgerServiceAccrueProcedure)
	w := newWorld(t, nil)
	for _, role := range auth.Roles {
		w.expect(string(role), w.call(role, api.LedgerServiceAccrueProcedure, accrual().but()), "permission_denied", "NOT_PERMITTED")
	}
	w.expect("nobody", w.do(http.MethodPost, api.LedgerServiceAccrueProcedure, accrual().but()), "unauthenticated", "CREDENTIAL_MISSING")
	if text := w.log.String(); strings.Contains(text, "panic") {
		t.Errorf("the log says %s", text)
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
	w.eventually("the call is in flight", func() bool { return strings.Contains(w.metrics(), "tallystick_rpc_in_flight 1\n") })
	refused := w.call(auth.System, api.LedgerServiceGetBalanceProcedure, `{"memberId":"m1","unit":"points"}`)
	w.expect("one more", refused, exhausted, "TOO_MANY_IN_FLIGHT")
	w.expect("who has no key takes no place", w.do(http.MethodPost, api.LedgerServiceAccrueProcedure, body), "unauthenticated", "CREDENTIAL_MISSING")
	if _, err := writer.Write([]byte(body[10:])); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.expect("afterwards", w.call(auth.System, api.LedgerServiceAccrueProcedure, accrual().but()), "ok", "")
}

// eventually polls until what holds.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			w.t.Fatalf("never: %s", what)
		}
	}
}

// metrics is what /metrics shows.
func (w *world) metrics() string {
	w.t.Helper()
	got := w.do(http.MethodGet, "/metrics", "")
	if got.status != http.StatusOK {
		w.t.Fatalf("metrics: %d", got.status)
	}
	return string(got.body)
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
	shown := w.metrics()
	for _, line := range []string{
		`tallystick_rpc_seconds_count{code="ok",procedure="/tallystick.v1.LedgerService/Accrue"} 2`,
		`tallystick_rpc_seconds_count{code="failed_precondition",procedure="/tallystick.v1.LedgerService/Redeem"} 3`,
		`tallystick_rpc_in_flight 0`,
		`tallystick_refusals_recorded_total{reason="INSUFFICIENT_POINTS"} 1`,
		`tallystick_batch_requests_bucket{le="1"} 6`, // the clock, two accruals and three redemptions
		`tallystick_batch_seconds_count{step="commit"} 6`,
		`tallystick_batch_seconds_count{step="load"} 6`,
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
		if !strings.Contains(shown, line) {
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
	stream := grpcreflect.NewClient(plain, w.url).NewStream(t.Context()) // without a key: the contract is public
	defer func() { _, _ = stream.Close() }()
	names, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range allMethods() {
		service, _, _ := strings.Cut(strings.TrimPrefix(m.procedure, "/"), "/")
		if !slices.Contains(names, protoreflect.FullName(service)) {
			t.Errorf("reflection lists %v, not %s", names, service)
		}
	}
	described, err := stream.FileContainingSymbol(api.LedgerServiceName)
	if err != nil || len(described) == 0 {
		t.Errorf("%d files describe %s: %v", len(described), api.LedgerServiceName, err)
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
