package rpc_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"tallystick/internal/auth"
	"tallystick/internal/rpc"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// answer is what came back for a call that was written by hand.
type answer struct {
	status int
	code   string // Connect's code, or "ok"
	reason string // of the ErrorInfo
	meta   map[string]string
	header http.Header
	body   []byte
}

// call sends a body as it is, in the name of a role. Headers come as pairs of name and value.
func (w *world) call(role auth.Role, procedure, body string, headers ...string) answer {
	w.t.Helper()
	return w.do(http.MethodPost, procedure, body, append([]string{"Authorization", "Bearer " + w.tokens[role]}, headers...)...)
}

func (w *world) do(method, path, body string, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return readAnswer(w.t, res, data)
}

func readAnswer(t testing.TB, res *http.Response, data []byte) answer {
	t.Helper()
	a := answer{status: res.StatusCode, code: "ok", header: res.Header, body: data}
	if res.StatusCode == http.StatusOK {
		return a
	}
	var wire struct {
		Code    string
		Details []struct{ Type, Value string }
	}
	a.code = ""
	if json.Unmarshal(data, &wire) != nil {
		return a // not an answer of a call: 404, 405, 415
	}
	a.code = wire.Code
	for _, detail := range wire.Details {
		if detail.Type != "google.rpc.ErrorInfo" {
			continue
		}
		value, err := base64.RawStdEncoding.DecodeString(detail.Value)
		if err != nil {
			t.Fatal(err)
		}
		var info errdetails.ErrorInfo
		if err := proto.Unmarshal(value, &info); err != nil {
			t.Fatal(err)
		}
		if info.Domain != rpc.Domain {
			t.Errorf("domain %q", info.Domain)
		}
		a.reason, a.meta = info.Reason, info.Metadata
	}
	return a
}

func (a answer) is(code, reason string) bool { return a.code == code && a.reason == reason }

// fields is a JSON object whose values are written as they are.
type fields map[string]string

func (f fields) but(pairs ...string) string {
	out := maps.Clone(f)
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	var b bytes.Buffer
	for name, value := range out {
		if value == "" {
			continue // left out
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + name + `":` + value)
	}
	return "{" + b.String() + "}"
}

func accrual() fields {
	return fields{"idempotencyKey": quote(uuid.NewString()), "memberId": `"m1"`, "unit": `"points"`, "amount": `"100"`}
}

func quote(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}

// books is what a call may have written, and whether the books still balance.
type books struct{ transactions, entries, unbalanced int }

const countBooks = `
SELECT (SELECT count(*) FROM transactions), (SELECT count(*) FROM entries),
       (SELECT count(*) FROM (SELECT a.unit FROM entries AS e JOIN accounts AS a ON a.id = e.account_id
                              GROUP BY a.programme_id, a.unit HAVING sum(e.amount) <> 0) AS u)`

func (w *world) books() books {
	w.t.Helper()
	var b books
	ctx := context.WithoutCancel(w.t.Context()) // a test's last look comes after its end
	if err := w.owner.QueryRow(ctx, countBooks).Scan(&b.transactions, &b.entries, &b.unbalanced); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// refuses runs cases that must each be answered with their code and reason and write nothing.
func (w *world) refuses(cases []hostile) {
	t := w.t.(*testing.T)
	t.Helper()
	before := w.books()
	for _, c := range cases {
		got := w.call(auth.System, c.procedure, c.body, c.headers...)
		if !got.is(c.code, c.reason) {
			t.Errorf("%s: answered %d %s %s, want %s %s\n%s", c.name, got.status, got.code, got.reason, c.code, c.reason, got.body)
		}
	}
	if after := w.books(); after != before || after.unbalanced != 0 {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.saysNoSecrets()
}

type hostile struct {
	name, procedure, body string
	code, reason          string
	headers               []string
}

// saysNoSecrets checks that the log names no key, member or code.
func (w *world) saysNoSecrets() {
	w.t.Helper()
	text := w.log.String()
	for _, token := range w.tokens {
		if strings.Contains(text, token) {
			w.t.Error("the log contains a key")
		}
	}
	for _, secret := range []string{"tsk_", "memberId", "member_id", "member/"} {
		if strings.Contains(text, secret) {
			w.t.Errorf("the log contains %s", secret)
		}
	}
	if found := memberReference.FindString(text); found != "" {
		w.t.Errorf("the log names the member %s", found)
	}
}

// memberReference finds the tests' members wherever they stand in a text, quoted or not.
var memberReference = regexp.MustCompile(`\bm[12]\b`)

const (
	invalid   = "invalid_argument"
	exhausted = "resource_exhausted"
	forbidden = "failed_precondition"
)

// E01–E06. E06 asks what becomes of amounts that other notations write equally (1e3, 1.0 as numbers). Here there is one
// notation, decimal strings: numbers and exponents are refused, not interpreted (ADR 0032), and what is left of E06 is that
// "1.0" and "1" are one request, below.
func TestAmountsThatAreNotPlainDecimalsAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	cases := []hostile{
		{name: "E01 zero", body: `"0"`, reason: "AMOUNT_OUT_OF_RANGE"},
		{name: "E01 zero with places", body: `"0.00"`, reason: "AMOUNT_OUT_OF_RANGE"},
		{name: "E02 negative", body: `"-5"`, reason: "INVALID_FIELD"},
		{name: "E03 largest int64", body: `"9223372036854775807"`, reason: "INVALID_FIELD"},
		{name: "E03 over the cap", body: `"1000000000001"`, reason: "AMOUNT_OUT_OF_RANGE"},
		{name: "E04 int64 overflow, number", body: `9223372036854775808`, reason: "REQUEST_MALFORMED"},
		{name: "E04 int64 overflow, string", body: `"9223372036854775808"`, reason: "INVALID_FIELD"},
		{name: "E05 fraction of a whole unit", body: `"1.5"`, reason: "AMOUNT_OUT_OF_RANGE"},
		{name: "E05 number with a fraction", body: `1.5`, reason: "REQUEST_MALFORMED"},
		{name: "E05 NaN without quotes", body: `NaN`, reason: "REQUEST_MALFORMED"},
		{name: "E05 true", body: `true`, reason: "REQUEST_MALFORMED"},
		{name: "E05 an object", body: `{"value":"1"}`, reason: "REQUEST_MALFORMED"},
		{name: "E06 number with an exponent", body: `1e3`, reason: "REQUEST_MALFORMED"},
		{name: "E06 whole number", body: `1000`, reason: "REQUEST_MALFORMED"},
		{name: "E07 missing", body: "", reason: "INVALID_FIELD"},
		{name: "E07 null", body: "null", reason: "INVALID_FIELD"},
		{name: "E07 empty", body: `""`, reason: "INVALID_FIELD"},
	}
	for _, text := range []string{
		"0x10", "5 ", " 5", "NaN", "Infinity", "1e400", "1e3", "1E3", "01", "+1", "١٢", "1_000", "1,000", "1.", ".5", "१", "1\n",
		"0.00000000000001", strings.Repeat("9", 40), "1\u200b",
	} {
		cases = append(cases, hostile{name: "E05 " + text, body: quote(text), reason: "INVALID_FIELD"})
	}
	for i := range cases {
		cases[i].procedure, cases[i].code = api.LedgerServiceAccrueProcedure, invalid
		cases[i].body = accrual().but("amount", cases[i].body)
	}
	w.refuses(cases)
}

func TestTrailingZerosAreTheSameAmountAndTheSameRequest(t *testing.T) { // E06
	w := newWorld(t, nil)
	f := accrual()
	first := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but("amount", `"1.0"`))
	again := w.call(auth.System, api.LedgerServiceAccrueProcedure, f.but("amount", `"1"`))
	if first.code != "ok" || !bytes.Equal(first.body, again.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %s\nagain %s", first.body, again.body)
	}
}

func TestMessagesThatAreNotWhatTheContractSaysAreRefused(t *testing.T) { // E07–E12, E51, E59
	w := newWorld(t, nil)
	f := accrual()
	entries := fields{"memberId": `"m1"`, "unit": `"points"`}
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	long := quote(strings.Repeat("x", 141))
	items := `{"accrue":` + f.but() + `}`
	cases := []hostile{
		{name: "E07 misspelt field", body: f.but("amount", "", "amout", `"1"`), reason: "REQUEST_MALFORMED"},
		{name: "E08 unknown enum name", procedure: api.LedgerServiceListEntriesProcedure, body: entries.but("place", `"PLACE_BOGUS"`), reason: "REQUEST_MALFORMED"},
		{name: "E09 unknown enum number", procedure: api.LedgerServiceListEntriesProcedure, body: entries.but("place", `99`), reason: "INVALID_FIELD"},
		{name: "E09 place of nobody's", procedure: api.LedgerServiceListEntriesProcedure, body: entries.but("place", `"PLACE_ISSUANCE"`), reason: "INVALID_FIELD"},
		{name: "E10 the same field twice", body: `{"amount":"1",` + f.but()[1:], reason: "REQUEST_MALFORMED"},
		{name: "E10 the same field by both names", body: `{"member_id":"m1",` + f.but()[1:], reason: "REQUEST_MALFORMED"},
		{name: "E10 invalid UTF-8", body: f.but("reason", "\"\xff\""), reason: "REQUEST_MALFORMED"},
		{name: "E10 lone surrogate", body: f.but("reason", `"\ud800"`), reason: "REQUEST_MALFORMED"},
		{name: "E10 deep array", body: deep, reason: "REQUEST_MALFORMED"},
		{name: "E10 deep array in a field", body: f.but("reason", deep), reason: "REQUEST_MALFORMED"},
		{name: "E10 empty body", body: "", reason: "REQUEST_MALFORMED"},
		{name: "E10 an array", body: "[]", reason: "REQUEST_MALFORMED"},
		{name: "E10 two objects", body: f.but() + f.but(), reason: "REQUEST_MALFORMED"},
		{name: "E11 NUL", body: f.but("reason", `"a\u0000b"`), reason: "INVALID_FIELD"},
		{name: "E11 newline", body: f.but("reason", `"a\nb"`), reason: "INVALID_FIELD"},
		{name: "E11 NUL in an id", body: f.but("memberId", `"m\u0000"`), reason: "INVALID_FIELD"},
		{name: "E12 one symbol too long", body: f.but("reason", long), reason: "INVALID_FIELD"},
		{name: "E12 a list of 1,001", procedure: api.LedgerServicePostBatchProcedure, body: `{"items":[` + strings.Repeat(items+",", 1000) + items + `]}`, reason: "INVALID_FIELD"},
		{name: "E12 an empty list", procedure: api.LedgerServicePostBatchProcedure, body: `{"items":[]}`, reason: "INVALID_FIELD"},
		{name: "E12 too many items, and one asks for nothing", procedure: api.LedgerServicePostBatchProcedure, body: `{"items":[{},` + strings.Repeat(items+",", 1000) + items + `]}`, reason: "INVALID_FIELD"},
		{name: "E12 an unknown field of an item", procedure: api.LedgerServicePostBatchProcedure, body: `{"items":[{"accrue":{"amout":"1"}}]}`, reason: "REQUEST_MALFORMED"},
		{name: "E54 right-to-left override", body: f.but("reason", `"a\u202eb"`), reason: "INVALID_FIELD"},
		{name: "E54 isolate", body: f.but("reason", `"\u2066"`), reason: "INVALID_FIELD"},
		{name: "E59 balance", body: f.but("balance", `"1"`), reason: "REQUEST_MALFORMED"},
		{name: "E59 programme", body: f.but("programmeId", `"x"`), reason: "REQUEST_MALFORMED"},
		{name: "E59 recorded time", body: f.but("recordedAt", `"2026-01-01T00:00:00Z"`), reason: "REQUEST_MALFORMED"},
		{name: "E59 outcome", body: f.but("outcome", `"OUTCOME_POSTED"`), reason: "REQUEST_MALFORMED"},
	}
	for _, id := range []string{"", "' OR 1=1--", "../../etc", "a b", "m/1", strings.Repeat("m", 65), "ｍ１", "m\u200d1"} {
		cases = append(cases, hostile{name: "E51 member " + id, body: f.but("memberId", quote(id)), reason: "INVALID_FIELD"})
	}
	for _, id := range []string{"", "' OR 1=1--", "../../etc", "{0190163d-8694-739b-aea5-966c26f8ad91}", "0190163d-8694-739b-aea5-966c26f8ad911", "0190163d8694739baea5966c26f8ad91"} {
		cases = append(cases, hostile{
			name: "E51 transaction " + id, procedure: api.LedgerServiceGetTransactionProcedure,
			body: `{"transactionId":` + quote(id) + `}`, reason: "INVALID_FIELD",
		})
	}
	for _, key := range []string{"", strings.Repeat("k", 129), "a b", "a\nb", "🔑", "a/b"} {
		cases = append(cases, hostile{name: "E22 key " + key, body: f.but("idempotencyKey", quote(key)), reason: "INVALID_FIELD"})
	}
	cases = append(cases, hostile{name: "E22 no key", body: f.but("idempotencyKey", ""), reason: "INVALID_FIELD"})
	for i := range cases {
		cases[i].code = invalid
		if cases[i].procedure == "" {
			cases[i].procedure = api.LedgerServiceAccrueProcedure
		}
	}
	w.refuses(cases)
}

func TestTransactionIDIsTheSameInCapitals(t *testing.T) { // E51
	w := newWorld(t, nil)
	id := w.accrue("m1", "5").Id
	got := w.call(auth.System, api.LedgerServiceGetTransactionProcedure, `{"transactionId":`+quote(strings.ToUpper(id))+`}`)
	if got.code != "ok" || !bytes.Contains(got.body, []byte(id)) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestTimesOutsideTheCalendarAndTheRangeAreRefused(t *testing.T) { // E44, E47
	w := newWorld(t, nil)
	var cases []hostile
	for _, text := range []string{"0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-12-31T23:59:60Z", "yesterday", "2026-01-01"} {
		cases = append(cases, hostile{name: "E47 " + text, body: accrual().but("effectiveAt", quote(text)), reason: "REQUEST_MALFORMED"})
	}
	for _, text := range []string{"9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z"} {
		cases = append(cases, hostile{name: "E47 " + text, body: accrual().but("effectiveAt", quote(text)), reason: "INVALID_FIELD"})
	}
	for text, reason := range map[string]string{
		"0s": "INVALID_FIELD", "-1s": "INVALID_FIELD", "315360000s": "INVALID_FIELD", "0.5s": "INVALID_FIELD", "1 day": "REQUEST_MALFORMED",
	} {
		cases = append(cases, hostile{
			name: "E44 " + text, procedure: api.LedgerServiceHoldProcedure, body: accrual().but("timeout", quote(text)), reason: reason,
		})
	}
	cases = append(cases, hostile{name: "E44 none", procedure: api.LedgerServiceHoldProcedure, body: accrual().but(), reason: "INVALID_FIELD"})
	for i := range cases {
		cases[i].code = invalid
		if cases[i].procedure == "" {
			cases[i].procedure = api.LedgerServiceAccrueProcedure
		}
	}
	w.refuses(cases)
}

func TestRequestsThatTheStateOfTheBooksForbidsAreNotWrittenWhenMalformed(t *testing.T) { // E16, E17
	w := newWorld(t, nil)
	transfer := fields{"idempotencyKey": `"t"`, "fromMemberId": `"m1"`, "toMemberId": `"m1"`, "unit": `"points"`, "amount": `"1"`}
	w.refuses([]hostile{
		{name: "E16 unknown unit", procedure: api.LedgerServiceAccrueProcedure, body: accrual().but("unit", `"gems"`), code: invalid, reason: "UNKNOWN_UNIT"},
		{name: "E16 money is not accrued", procedure: api.LedgerServiceAccrueProcedure, body: accrual().but("unit", `"CNY"`), code: invalid, reason: "FLOW_NOT_ALLOWED"},
		{name: "E17 to oneself", procedure: api.LedgerServiceTransferProcedure, body: transfer.but(), code: invalid, reason: "SAME_ACCOUNT"},
		{name: "expired from the beginning", procedure: api.LedgerServiceAccrueProcedure, body: accrual().but("expiresAt", `"2026-02-01T00:00:00Z"`), code: invalid, reason: "TIME_NOT_IN_FUTURE"},
		{name: "unknown policy", procedure: api.LedgerServiceAccrueProcedure, body: accrual().but("expiryPolicy", `"decade"`), code: invalid, reason: "UNKNOWN_POLICY"},
		{name: "two expiries", procedure: api.LedgerServiceAccrueProcedure, body: accrual().but("expiryPolicy", `"year"`, "expiresAt", `"2027-02-01T00:00:00Z"`), code: invalid, reason: "INVALID_FIELD"},
		{name: "adjustment without a reason", procedure: api.LedgerServiceAdjustProcedure, body: accrual().but(), code: invalid, reason: "INVALID_FIELD"},
		{name: "a taking with an expiry", procedure: api.LedgerServiceAdjustProcedure, body: accrual().but("reason", `"x"`, "amount", `"-1"`, "expiresAt", `"2027-02-01T00:00:00Z"`), code: invalid, reason: "INVALID_FIELD"},
		{name: "an adjustment of nothing", procedure: api.LedgerServiceAdjustProcedure, body: accrual().but("reason", `"x"`, "amount", `"0"`), code: invalid, reason: "AMOUNT_OUT_OF_RANGE"},
		{name: "a capture of zero", procedure: api.LedgerServiceCaptureProcedure, body: fields{"idempotencyKey": `"c"`, "holdId": quote(uuid.NewString()), "amount": `"0"`}.but(), code: invalid, reason: "AMOUNT_OUT_OF_RANGE"},
		{name: "an unknown hold", procedure: api.LedgerServiceCaptureProcedure, body: fields{"idempotencyKey": `"c"`, "holdId": quote(uuid.NewString())}.but(), code: "not_found", reason: "NOT_FOUND"},
		{name: "an unknown transaction", procedure: api.LedgerServiceReverseProcedure, body: fields{"idempotencyKey": `"c"`, "transactionId": quote(uuid.NewString())}.but(), code: "not_found", reason: "NOT_FOUND"},
	})
}
