package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"tallystick/internal/auth"
)

// front is the door that every call passes before its message is decoded: it names the call, bounds how many there are
// at a time and how long each may take, finds out who calls and whether they may, and reads the body. Everything that it
// refuses costs neither decoding nor a database connection.
type front struct {
	next        http.Handler
	keys        *auth.Keys
	limits      *limiters
	metrics     *metrics
	log         *slog.Logger
	errors      *connect.ErrorWriter
	inFlight    atomic.Int64
	maxInFlight int64
}

// call is what is known of one call on its way; the interceptor adds the outcome.
type call struct {
	id        string
	procedure string
	principal *auth.Principal
	refusal   *refusal
	// reached says that the interceptor saw the call. Connect itself answers what is no message of ours at all.
	reached bool
}

type callKey struct{}

// callOf returns the call that ctx belongs to. Every context behind the front door has one.
func callOf(ctx context.Context) *call {
	return ctx.Value(callKey{}).(*call) //nolint:forcetypeassert // see above: a missing one is our own bug
}

// caller is who makes the call that ctx belongs to.
func caller(ctx context.Context) *auth.Principal { return callOf(ctx).principal }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, known := procedures[r.URL.Path]
	if !known {
		f.next.ServeHTTP(w, r) // 404, or reflection
		return
	}
	started := time.Now()
	c := &call{id: requestID(r), procedure: r.URL.Path}
	w.Header().Set(requestIDHeader, c.id)
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), callKey{}, c), p.deadline)
	defer cancel()

	body, err := f.admit(ctx, c, p, r)
	if err != nil {
		c.reached, c.refusal = true, toRefusal(err)
		_ = f.errors.Write(w, r, c.refusal.connectError()) // the caller is gone
	} else {
		f.serve(w, r.WithContext(ctx), body)
	}
	f.record(ctx, c, time.Since(started))
}

// serve hands the call on with its body, and takes the place in flight back afterwards.
func (f *front) serve(w http.ResponseWriter, r *http.Request, body *bytes.Buffer) {
	defer f.inFlight.Add(-1)
	defer bodies.Put(body)
	r.Body = &message{Reader: *bytes.NewReader(body.Bytes())}
	f.next.ServeHTTP(w, r)
}

// admit decides whether the call is served. When it is, the caller owes a place in flight and the body's buffer.
func (f *front) admit(ctx context.Context, c *call, p procedure, r *http.Request) (*bytes.Buffer, error) {
	if f.inFlight.Add(1) > f.maxInFlight {
		f.inFlight.Add(-1)
		return nil, refuse(connect.CodeResourceExhausted, reasonTooManyInFlight)
	}
	body := bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert // the pool holds nothing else
	body.Reset()
	err := f.check(ctx, c, p, r, body)
	if err != nil {
		f.inFlight.Add(-1)
		bodies.Put(body)
		return nil, err
	}
	return body, nil
}

func (f *front) check(ctx context.Context, c *call, p procedure, r *http.Request, body *bytes.Buffer) error {
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
	if err := checkTimeout(r.Header); err != nil {
		return err
	}
	return readBody(r, p.maxBytes, body)
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
	principal, err := f.keys.Verify(ctx, token)
	if errors.Is(err, auth.ErrInvalid) {
		return nil, refuse(connect.CodeUnauthenticated, reasonCredentialInvalid)
	}
	return principal, err
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
			return refuse(connect.CodeInvalidArgument, reasonRequestMalformed).with("problem", form.header+" is not a time-out")
		}
	}
	return nil
}

// bodies are reused, except the large ones of batches' worst cases.
var bodies = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 4<<10)) }}

// message is a request body that is in memory.
type message struct{ bytes.Reader }

func (*message) Close() error { return nil }

const framePrefix = 5 // gRPC puts a flag and four bytes of length before a message

// readBody reads the whole message, so that a body that is too long, breaks off or is framed wrongly is answered here,
// with a reason. Connect answers some of these with internal or unknown, which nothing from outside may cause.
func readBody(r *http.Request, most int, body *bytes.Buffer) error {
	if r.Method == http.MethodGet {
		if len(r.URL.RawQuery) > most {
			return tooLarge()
		}
		return nil
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return refuse(connect.CodeUnimplemented, reasonRequestMalformed).with("problem", "compressed requests are not accepted")
	}
	framed := strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
	if framed {
		most += framePrefix
	}
	if r.ContentLength > int64(most) {
		return tooLarge()
	}
	_, err := body.ReadFrom(io.LimitReader(r.Body, int64(most)+1))
	switch {
	case err == nil && body.Len() > most:
		return tooLarge()
	case err == nil && framed:
		return checkFrame(body.Bytes())
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return refuse(connect.CodeDeadlineExceeded, reasonDeadlineExceeded)
	}
	return refuse(connect.CodeInvalidArgument, reasonRequestMalformed).with("problem", "the body broke off")
}

func tooLarge() error {
	return refuse(connect.CodeResourceExhausted, reasonRequestTooLarge)
}

// checkFrame accepts one uncompressed gRPC message.
func checkFrame(body []byte) error {
	switch {
	case len(body) < framePrefix || uint64(len(body)-framePrefix) != uint64(binary.BigEndian.Uint32(body[1:])):
		return refuse(connect.CodeInvalidArgument, reasonRequestMalformed).with("problem", "the body is not one gRPC message")
	case body[0] == 1:
		return refuse(connect.CodeUnimplemented, reasonRequestMalformed).with("problem", "compressed requests are not accepted")
	case body[0] != 0:
		return refuse(connect.CodeInvalidArgument, reasonRequestMalformed).with("problem", "the gRPC message has an unknown flag")
	}
	return nil
}
