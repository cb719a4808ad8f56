package outbox

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

// named resolves literals as they are, and names by a table.
func named(hosts map[string][]string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if address, err := netip.ParseAddr(host); err == nil {
			return []netip.Addr{address}, nil
		}
		var list []netip.Addr
		for _, text := range hosts[host] {
			list = append(list, netip.MustParseAddr(text))
		}
		if len(list) == 0 {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return list, nil
	}
}

var hosts = map[string][]string{
	"hooks.example.com": {"93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"},
	"inside.example":    {"10.1.2.3"},
	"half.example":      {"93.184.215.14", "192.168.0.1"},
	"mapped.example":    {"::ffff:127.0.0.1"},
	"localhost":         {"127.0.0.1", "::1"},
}

func TestWebhookTargets(t *testing.T) {
	const ok = ""
	url, address, missing := errTargetURL.Error(), errTargetAddress.Error(), errTargetNotFound.Error()
	for target, want := range map[string]string{
		"https://hooks.example.com/in":                             ok,
		"https://hooks.example.com:8443/in?a=b":                    ok,
		"https://93.184.215.14/":                                   ok,
		"https://[2606:2800:21f:cb07::1]/":                         ok,
		"http://hooks.example.com/":                                url,
		"http://127.0.0.1/":                                        url,
		"file:///etc/passwd":                                       url,
		"gopher://hooks.example.com/":                              url,
		"https:hooks.example.com":                                  url,
		"https:///in":                                              url,
		"//hooks.example.com/":                                     url,
		"":                                                         url,
		"https://user@hooks.example.com/":                          url,
		"https://user:word@hooks.example.com/":                     url,
		"https://hooks.example.com/#top":                           url,
		"https://hooks.example.com/#":                              url,
		"https://hooks.example.com:0/":                             url,
		"https://hooks.example.com:70000/":                         url,
		"https://hooks.example.com\r\nHost: inside/":               url,
		"https://hooks.example.com/" + strings.Repeat("a", maxURL): url,
		"https://nowhere.example/":                                 missing,
		"https://inside.example/":                                  address,
		"https://half.example/":                                    address,
		"https://mapped.example/":                                  address,
		"https://localhost/":                                       address,
		"https://127.0.0.1/":                                       address,
		"https://127.8.9.1/":                                       address,
		"https://[::1]/":                                           address,
		"https://0.0.0.0/":                                         address,
		"https://0.1.2.3/":                                         address,
		"https://[::]/":                                            address,
		"https://10.0.0.1/":                                        address,
		"https://172.16.0.1/":                                      address,
		"https://192.168.1.1/":                                     address,
		"https://100.64.0.1/":                                      address,
		"https://100.100.100.200/":                                 address, // a cloud's metadata
		"https://169.254.169.254/":                                 address, // the same of others
		"https://168.63.129.16/":                                   address,
		"https://[fd00:ec2::254]/":                                 address,
		"https://[fe80::1]/":                                       address,
		"https://[fe80::1%25eth0]/":                                address,
		"https://[fec0::1]/":                                       address,
		"https://[ff02::1]/":                                       address,
		"https://224.0.0.1/":                                       address,
		"https://255.255.255.255/":                                 address,
		"https://240.0.0.1/":                                       address,
		"https://192.0.2.1/":                                       address,
		"https://198.18.0.1/":                                      address,
		"https://203.0.113.9/":                                     address,
		"https://[::ffff:10.0.0.1]/":                               address, // IPv4-mapped
		"https://[::ffff:169.254.169.254]/":                        address,
		"https://[::127.0.0.1]/":                                   address, // IPv4-compatible
		"https://[64:ff9b::a9fe:a9fe]/":                            address, // NAT64
		"https://[64:ff9b:1::a00:1]/":                              address,
		"https://[2002:7f00:1::]/":                                 address, // 6to4
		"https://[2001:0:7f00:1::]/":                               address, // Teredo
		"https://[2001:db8::1]/":                                   address,
	} {
		public := &targets{lookup: named(hosts)}
		if got := text(look(t.Context(), public, target)); got != want {
			t.Errorf("%.80s: %q, want %q", target, got, want)
		}
	}
}

func TestLoopbackIsATargetOnlyWhereAllowed(t *testing.T) {
	local := &targets{loopback: true, lookup: named(hosts)}
	for target, want := range map[string]string{
		"http://127.0.0.1:8080/":    "",
		"http://[::1]:8080/":        "",
		"https://localhost/":        "",
		"http://hooks.example.com/": errTargetURL.Error(),
		"http://10.0.0.1/":          errTargetURL.Error(),
		"https://10.0.0.1/":         errTargetAddress.Error(),
	} {
		if got := text(look(t.Context(), local, target)); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// look is what creation does with an address.
func look(ctx context.Context, t *targets, address string) error {
	host, err := t.check(address)
	if err == nil {
		_, err = t.resolve(ctx, host)
	}
	return err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzTarget: whatever passes is https with a host, and no address behind it is forbidden.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"https://hooks.example.com/", "https://[::ffff:10.0.0.1]/", "https://0x7f.1/", "https://2130706433/", "https:\\\\a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		public := &targets{lookup: named(hosts)}
		if look(t.Context(), public, target) != nil {
			return
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, http.NoBody)
		if err != nil {
			t.Fatalf("%q passed and cannot be requested: %v", target, err)
		}
		if request.URL.Scheme != "https" || request.URL.User != nil {
			t.Fatalf("%q passed", target)
		}
		list, err := public.resolve(t.Context(), request.URL.Hostname())
		if err != nil {
			t.Fatalf("%q passed and is not resolved: %v", target, err)
		}
		for _, a := range list {
			if a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
				t.Fatalf("%q passed and leads to %v", target, a)
			}
		}
	})
}

func TestBadTargetsAreRefusedAtCreation(t *testing.T) {
	b := ledgertest.New(t, live)
	endpoints := NewEndpoints(b.Pool, Config{})
	for _, target := range []string{"http://127.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "file:///etc/passwd"} {
		_, _, err := endpoints.Create(t.Context(), b.Programme, Asked{"test", "k"}, target)
		if !errors.Is(err, &ledger.Refusal{Reason: ledger.InvalidField}) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if list, err := endpoints.List(t.Context(), b.Programme); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// Whether a host exists is not known when nobody can be asked. The answer to a retry depends on no name at all.
func TestANameServerThatFailsRefusesNothing(t *testing.T) {
	b := ledgertest.New(t, live)
	var failure error
	lookups := 0
	resolver := func(context.Context, string, string) ([]netip.Addr, error) {
		lookups++
		return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, failure
	}
	endpoints := &Endpoints{pool: b.Pool, targets: &targets{lookup: resolver}}
	asked := anew()
	create := func(asked Asked) error {
		_, _, err := endpoints.Create(t.Context(), b.Programme, asked, "https://hooks.example.com/")
		return err
	}
	for _, failure = range []error{
		&net.DNSError{Err: "server misbehaving", IsTemporary: true}, &net.DNSError{Err: "i/o timeout", IsTimeout: true},
	} {
		if err := create(asked); !errors.Is(err, ErrNameServer) {
			t.Errorf("%v: %v", failure, err)
		}
	}
	failure = nil
	if err := create(asked); err != nil {
		t.Fatalf("the same request again: %v", err)
	}
	failure, lookups = &net.DNSError{Err: "no such host", IsNotFound: true}, 0
	if err := create(asked); err != nil || lookups != 0 {
		t.Errorf("a retry when the name is gone: %v after %d lookups", err, lookups)
	}
	if err := create(anew()); !errors.Is(err, &ledger.Refusal{Reason: ledger.InvalidField}) {
		t.Errorf("a new request when the name is gone: %v", err)
	}
}

// A name that pointed to a public address when the endpoint was made, and to ourselves when the event is sent.
func TestARebindingNameIsRefusedAtDelivery(t *testing.T) {
	b := ledgertest.New(t, live)
	s := newSink(t)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][]string{"moving.example": {"93.184.215.14"}}
	endpoints := &Endpoints{pool: b.Pool, targets: &targets{lookup: named(table)}}
	e, _, err := endpoints.Create(t.Context(), b.Programme, Asked{"test", "k"}, "https://moving.example:"+port+"/")
	if err != nil {
		t.Fatal(err)
	}
	table["moving.example"] = []string{"127.0.0.1"}
	d := hurried(b.Ledger, b.Pool)
	d.client = newClient(endpoints.targets)
	d.retry = d.retry[:2]
	b.Accrue(t, "a", "m", "points", 1)
	run(t, d)
	eventually(t, "the endpoint is parked", func() bool {
		e, err = endpoints.Get(t.Context(), b.Programme, e.ID)
		return err == nil && e.State == Parked
	})
	if e.LastFailure != errTargetAddress.Error() || s.count() != 0 {
		t.Errorf("%q after %d requests", e.LastFailure, s.count())
	}
}

// The address that is dialled is one that was checked, and nothing stands between us and it.
func TestTheCheckedAddressIsDialled(t *testing.T) {
	s := newSink(t)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	lookups := 0
	fickle := &targets{loopback: true, lookup: func(context.Context, string, string) ([]netip.Addr, error) {
		if lookups++; lookups > 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.99")}, nil // nobody listens there
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	conn, err := fickle.dial(t.Context(), "tcp", net.JoinHostPort("nobody-knows-this-name.invalid", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if remote := conn.RemoteAddr().String(); remote != s.Listener.Addr().String() || lookups != 1 {
		t.Errorf("dialled %s after %d lookups", remote, lookups)
	}
	transport := newClient(fickle).Transport.(*http.Transport)
	if transport.Proxy != nil || transport.DialContext == nil || transport.DialTLSContext != nil {
		t.Errorf("proxy %t, dialers %t and %t", transport.Proxy != nil, transport.DialContext != nil, transport.DialTLSContext != nil)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	b := ledgertest.New(t, live)
	inside := newSink(t)
	s := newSink(t)
	s.Config.Handler = http.RedirectHandler(inside.URL, http.StatusTemporaryRedirect)
	endpoints, e := endpoint(t, b, s)
	d := hurried(b.Ledger, b.Pool)
	d.retry = d.retry[:1]
	b.Accrue(t, "a", "m", "points", 1)
	run(t, d)
	eventually(t, "the endpoint is parked", func() bool {
		var err error
		e, err = endpoints.Get(t.Context(), b.Programme, e.ID)
		return err == nil && e.State == Parked
	})
	if inside.count() != 0 || e.LastFailure != "status 307: redirects are not followed" {
		t.Errorf("%d requests followed, failure %q", inside.count(), e.LastFailure)
	}
}

// An endless answer and one that never comes cost one attempt, not the dispatcher.
func TestHostileAnswersEndTheAttempt(t *testing.T) {
	s := newSink(t)
	var endless atomic.Bool
	endless.Store(true)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for endless.Load() {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
		<-r.Context().Done()
	})
	client := newClient(newTargets(true))
	to := target{url: s.URL, secrets: [][]byte{newSecret()}}
	if f := send(t.Context(), client, to, uuid.New(), nil); f != nil {
		t.Errorf("a long 200 is a 200: %+v", f)
	}
	endless.Store(false)
	client.Timeout = 20 * time.Millisecond
	if f := send(t.Context(), client, to, uuid.New(), nil); f == nil || f.text != "no answer in time" {
		t.Errorf("silence: %+v", f)
	}
}

func TestRetryAfterIsReadAndBounded(t *testing.T) {
	now := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "120": 2 * time.Minute, "99999999": maxRetryAfter,
		"Thu, 15 Jan 2026 12:00:30 GMT": 30 * time.Second, "Thu, 15 Jan 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}
