package outbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	attemptTimeout = 10 * time.Second
	maxAnswer      = 4 << 10        // bytes of an answer that are read, so that its connection can be used again
	maxRetryAfter  = 24 * time.Hour // the longest pause that a receiver may ask for
)

// newClient is the HTTP client of all deliveries: it follows no redirect, uses no proxy, and dials checked addresses.
func newClient(t *targets) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            t.dial,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  attemptTimeout,
			MaxResponseHeaderBytes: 16 << 10,
			MaxIdleConnsPerHost:    workers,
			// Short, because a connection is checked when it is dialled: a name that moved is followed soon.
			IdleConnTimeout: 10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       attemptTimeout,
	}
}

// failure is why a delivery did not succeed.
type failure struct {
	text       string
	retryAfter time.Duration // what the receiver asked for; zero if nothing
	gone       bool          // the receiver wants no more events
}

// send makes one attempt. A nil failure means that the receiver answered 2xx.
func send(ctx context.Context, client *http.Client, to target, id uuid.UUID, payload []byte) *failure {
	now := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(payload))
	if err != nil {
		return &failure{text: errTargetURL.Error()}
	}
	signature, err := sign(to.secrets, id, now, payload)
	if err != nil {
		return &failure{text: err.Error()}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Tallystick-Webhooks/1")
	request.Header.Set(standardwebhooks.HeaderWebhookID, id.String())
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	response, err := client.Do(request)
	if err != nil {
		return &failure{text: describe(err)}
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // what it says does not matter, and may be endless
	switch response.StatusCode / 100 {
	case 2:
		return nil
	case 3:
		return &failure{text: fmt.Sprintf("status %d: redirects are not followed", response.StatusCode)}
	}
	return &failure{
		text:       fmt.Sprintf("status %d", response.StatusCode),
		retryAfter: retryAfter(response.Header.Get("Retry-After"), now),
		gone:       response.StatusCode == http.StatusGone,
	}
}

// sign makes one signature a secret, so that a receiver may know either while it changes over.
func sign(secrets [][]byte, id uuid.UUID, at time.Time, payload []byte) (string, error) {
	list := make([]string, len(secrets))
	for i, secret := range secrets {
		webhook, err := standardwebhooks.NewWebhookRaw(secret)
		if err == nil {
			list[i], err = webhook.Sign(id.String(), at, payload)
		}
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
	}
	return strings.Join(list, " "), nil
}

// retryAfter reads seconds or an HTTP date.
func retryAfter(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// describe says what went wrong in words that an operator may see: no address of ours, nothing that the receiver sent.
func describe(err error) string {
	var network net.Error
	var op *net.OpError
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	for _, known := range []error{errTargetAddress, errTargetNotFound, ErrNameServer} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	switch {
	case errors.As(err, &verification), errors.As(err, &authority):
		return "certificate is not trusted"
	case errors.As(err, &network) && network.Timeout():
		return "no answer in time"
	case errors.As(err, &op) && op.Op == "dial":
		return "no connection"
	}
	return "connection broke"
}
