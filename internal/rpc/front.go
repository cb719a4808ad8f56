package rpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/semaphore"

	"tallystick/internal/auth"
)

// front is the door that every call passes before its message is decoded: it names the call, finds out who calls and
// whether they may, bounds how many there are at a time and how long each may take, and reads the body. Everything that
// it refuses costs neither decoding nor, unless its key has to be asked about, a database connection.
type front struct {
	next        http.Handler
	methods     map[string]bool
	keys        *auth.Keys
	limits      *limiters
	metrics     *metrics
	log         *slog.Logger
	errors      *connect.ErrorWriter
	atDoor      atomic.Int64 // calls whose key is being looked at
	inFlight    atomic.Int64
	maxInFlight int64
	memory      *semaphore.Weighted
}

func newFront(cfg Config, next http.Handler) *front {
	f := &front{
		next: next, methods: methodsByGet(), keys: cfg.Keys, limits: newLimiters(cfg.Rates, cfg.ExemptClients), log: cfg.Log,
		errors: connect.NewErrorWriter(), maxInFlight: int64(cfg.MaxInFlight), memory: semaphore.NewWeighted(maxBodies),
	}
	if f.maxInFlight == 0 {
		f.maxInFlight = DefaultMaxInFlight
	}
	f.metrics = newMetrics(cfg.Registry, func() float64 { return float64(f.inFlight.Load()) })
	return f
}

// call is what is known of one call on its way; the interceptor adds the outcome.
type call struct {
	id        string
	procedure string
	principal *auth.Principal
	refusal   *refusal
	// reached says that the interceptor saw the call. Connect itself answers what is no message of ours at all.
	reached bool
	// items says what is wrong with items of a batch by themselves.
	items map[int]error
	// inFlight, body and reserved are what the call holds until it ends.
	inFlight bool
	body     *bytes.Buffer
	reserved int64
}

type callKey struct{}

// callOf returns the call that ctx belongs to. Every context behind the front door has one.
func callOf(ctx context.Context) *call {
	return ctx.Value(callKey{}).(*call) //nolint:forcetypeassert // see above: a missing one is our own bug
}

// caller is who makes the call that ctx belongs to.
func caller(ctx context.Context) *auth.Principal { return callOf(ctx).principal }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, known := f.methods[r.URL.Path]; !known {
		http.NotFound(w, r)
		return
	}
	started := time.Now()
	c := &call{id: requestID(r), procedure: r.URL.Path}
	w.Header().Set(requestIDHeader, c.id)
	p := procedureOf(c.procedure)
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), callKey{}, c), p.deadline)
	defer cancel()
	f.serve(ctx, c, p, w, r)
	f.record(ctx, c, time.Since(started))
}

// serve answers the call, or hands it on, and takes back what it held.
func (f *front) serve(ctx context.Context, c *call, p procedure, w http.ResponseWriter, r *http.Request) {
	defer f.leave(c)
	if err := f.admit(ctx, c, p, r); err != nil {
		c.reached, c.refusal = true, toRefusal(inTime(ctx, err))
		_ = f.errors.Write(w, r, c.refusal.connectError()) // the caller is gone
		return
	}
	r = r.WithContext(ctx)
	if c.body != nil {
		r.Body = &message{Reader: *bytes.NewReader(c.body.Bytes())}
	}
	f.next.ServeHTTP(w, r)
}

// leave gives back what the call holds.
func (f *front) leave(c *call) {
	if c.inFlight {
		f.inFlight.Add(-1)
	}
	if c.body != nil && c.body.Cap() <= maxPooled {
		bodies.Put(c.body)
	}
	f.memory.Release(c.reserved)
}

// admit decides whether the call is served. Nobody without a valid key takes a place in flight; as many as have one may
// wait at the door.
func (f *front) admit(ctx context.Context, c *call, p procedure, r *http.Request) error {
	principal, err := f.authenticate(ctx, r)
	if err != nil {
		return err
	}
	c.principal = principal
	if !p.permits(principal.Role) {
		return refuse(connect.CodePermissionDenied, reasonNotPermitted)
	}
	if !f.limits.allow(principal) {
		return refuse(connect.CodeResourceExhausted, reasonRateLimited)
	}
	c.inFlight = true
	if f.inFlight.Add(1) > f.maxInFlight {
		return refuse(connect.CodeResourceExhausted, reasonTooManyInFlight)
	}
	if err := checkForm(r, f.methods[c.procedure]); err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		return nil
	}
	return f.readBody(c, r, p.maxBytes)
}

func (f *front) authenticate(ctx context.Context, r *http.Request) (*auth.Principal, error) {
	header := r.Header["Authorization"]
	if len(header) == 0 {
		return nil, refuse(connect.CodeUnauthenticated, reasonCredentialMissing)
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return nil, refuse(connect.CodeUnauthenticated, reasonCredentialInvalid)
	}
	waiting := f.atDoor.Add(1)
	defer f.atDoor.Add(-1)
	if waiting > f.maxInFlight {
		return nil, refuse(connect.CodeResourceExhausted, reasonTooManyInFlight)
	}
	principal, err := f.keys.Verify(ctx, token)
	if errors.Is(err, auth.ErrInvalid) {
		return nil, refuse(connect.CodeUnauthenticated, reasonCredentialInvalid)
	}
	return principal, err
}

// checkForm refuses what Connect would refuse by itself, and then without a reason, or as unknown: a time-out, a version
// of the protocol or a query that cannot be read, and compression. gets says whether the method may be asked by GET; when
// it may not, there is nothing in the query to check.
func checkForm(r *http.Request, gets bool) error {
	if err := checkTimeout(r.Header); err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		if !gets {
			return nil
		}
		return checkQuery(r.URL.Query())
	}
	for _, header := range [...]string{"Content-Encoding", "Grpc-Encoding"} {
		if packed(r.Header.Get(header)) {
			return compressed()
		}
	}
	if version := r.Header.Get("Connect-Protocol-Version"); version != "" && version != "1" {
		return malformedRequest("Connect-Protocol-Version is not 1")
	}
	return nil
}

// checkQuery refuses a GET whose message cannot be read from its query.
func checkQuery(query url.Values) error {
	version, text := query.Get("connect"), query.Get("message")
	switch {
	case packed(query.Get("compression")):
		return compressed()
	case version != "" && version != "v1":
		return malformedRequest("connect is not v1")
	case !query.Has("message"):
		return malformedRequest("message is missing")
	case query.Get("base64") != "1":
		return nil
	}
	encoding := base64.URLEncoding // as Connect reads it: padded when the length may be that of a padded text
	if len(text)%4 != 0 {
		encoding = base64.RawURLEncoding
	}
	if _, err := io.Copy(io.Discard, base64.NewDecoder(encoding, strings.NewReader(text))); err != nil {
		return malformedRequest("message is not base64url")
	}
	return nil
}

func packed(encoding string) bool { return encoding != "" && encoding != "identity" }

func compressed() error {
	return refuse(connect.CodeUnimplemented, reasonRequestMalformed).with("problem", "compressed requests are not accepted")
}

func malformedRequest(problem string) error {
	return refuse(connect.CodeInvalidArgument, reasonRequestMalformed).with("problem", problem)
}

// checkTimeout refuses a deadline that is not written as its protocol wants. Connect would refuse it too, but without a
// reason.
func checkTimeout(h http.Header) error {
	for _, form := range [...]struct{ header, units string }{{"Connect-Timeout-Ms", ""}, {"Grpc-Timeout", "HMSmun"}} {
		text := h.Get(form.header)
		if text == "" {
			continue
		}
		digits := text
		if form.units != "" {
			if !strings.ContainsRune(form.units, rune(text[len(text)-1])) {
				digits = ""
			} else {
				digits = text[:len(text)-1]
			}
		}
		most := 10
		if form.units != "" {
			most = 8
		}
		if len(digits) == 0 || len(digits) > most || strings.Trim(digits, "0123456789") != "" {
			return malformedRequest(form.header + " is not a time-out")
		}
	}
	return nil
}

const (
	// maxBodies is how many bytes of bodies are kept at a time, whatever the calls in flight would be allowed together.
	maxBodies = 64 << 20
	// maxPooled is the largest buffer that is kept for the next call.
	maxPooled = callBytes
)

// bodies are reused, except the large ones of batches' worst cases.
var bodies = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 4<<10)) }}

// message is a request body that is in memory.
type message struct{ bytes.Reader }

func (*message) Close() error { return nil }

const framePrefix = 5 // gRPC puts a flag and four bytes of length before a message

// readBody reads the whole message, so that a body that is too long, breaks off or is framed wrongly is answered here,
// with a reason. Connect answers some of these with internal or unknown, which nothing from outside may cause. Its room is
// reserved first: what the sender announces, or the most that it may send.
func (f *front) readBody(c *call, r *http.Request, most int) error {
	framed := strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
	if framed {
		most += framePrefix
	}
	if r.ContentLength > int64(most) {
		return tooLarge()
	}
	size := r.ContentLength
	if size < 0 {
		size = int64(most)
	}
	if !f.memory.TryAcquire(size) {
		return refuse(connect.CodeResourceExhausted, reasonTooManyInFlight)
	}
	c.reserved = size
	c.body = bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert // the pool holds nothing else
	c.body.Reset()
	if r.ContentLength > 0 {
		c.body.Grow(int(size) + bytes.MinRead) // MinRead is what ReadFrom wants to have left at the end
	}
	_, err := c.body.ReadFrom(io.LimitReader(r.Body, int64(most)+1))
	switch {
	case err == nil && c.body.Len() > most:
		return tooLarge()
	case err == nil && framed:
		return checkFrame(c.body.Bytes())
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return refuse(connect.CodeDeadlineExceeded, reasonDeadlineExceeded)
	}
	return malformedRequest("the body broke off")
}

func tooLarge() error {
	return refuse(connect.CodeResourceExhausted, reasonRequestTooLarge)
}

// checkFrame accepts one uncompressed gRPC message.
func checkFrame(body []byte) error {
	switch {
	case len(body) < framePrefix || uint64(len(body)-framePrefix) != uint64(binary.BigEndian.Uint32(body[1:])):
		return malformedRequest("the body is not one gRPC message")
	case body[0] == 1:
		return compressed()
	case body[0] != 0:
		return malformedRequest("the gRPC message has an unknown flag")
	}
	return nil
}
