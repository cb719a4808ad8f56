package outbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxURL        = 2048 // bytes of an endpoint's address
	lookupTimeout = 5 * time.Second
)

// ErrNameServer says that a host's name could not be asked about, which says nothing about the host.
var ErrNameServer = errors.New("name server does not answer")

// What can be wrong with a target. The texts are shown to operators and name no address.
var (
	errTargetURL      = errors.New("not an https address with a host and without user and fragment")
	errTargetAddress  = errors.New("host is not a public address")
	errTargetNotFound = errors.New("host cannot be resolved")
)

// targets decides where webhooks may go: to public addresses over https. With loopback, which is for development and
// tests, also to this machine, even over http.
type targets struct {
	loopback bool
	lookup   func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func newTargets(loopback bool) *targets {
	return &targets{loopback: loopback, lookup: net.DefaultResolver.LookupNetIP}
}

// check returns the host of an address, or refuses one that no delivery could be made to, whoever answers to the host's
// name. Who does is for resolve to find out, each time: a name can change its mind.
func (t *targets) check(address string) (host string, err error) {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURL || u.Hostname() == "" || u.Opaque != "" || u.User != nil || strings.Contains(address, "#") {
		return "", errTargetURL
	}
	if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
		return "", errTargetURL
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !t.loopback || !isLoopback(u.Hostname())) {
		return "", errTargetURL
	}
	return u.Hostname(), nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// resolve returns a host's addresses, or refuses it when only one of them is not public: which one a dialer takes is
// not ours to guess.
func (t *targets) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	list, err := t.lookup(ctx, "ip", host)
	if failed, ok := errors.AsType[*net.DNSError](err); ok && !failed.IsNotFound {
		return nil, fmt.Errorf("%w: %w", ErrNameServer, err)
	}
	if err != nil || len(list) == 0 {
		return nil, errTargetNotFound
	}
	for i, address := range list {
		list[i] = address.Unmap()
		if !t.allowed(list[i]) {
			return nil, errTargetAddress
		}
	}
	return list, nil
}

// dial resolves and checks the host of every new connection and dials the very addresses that it checked, so that the
// name cannot be bound to another one in between.
func (t *targets) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	list, err := t.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	var conn net.Conn
	for _, address := range list {
		if conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(address.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("dial: %w", err)
}

// allowed takes unmapped addresses.
func (t *targets) allowed(a netip.Addr) bool {
	switch {
	case !a.IsValid() || a.Zone() != "":
		return false
	case a.IsLoopback():
		return t.loopback
	case !a.IsGlobalUnicast() || a.IsPrivate(), a.Is6() && !globalV6.Contains(a):
		return false
	}
	for _, special := range specialRanges {
		if special.Contains(a) {
			return false
		}
	}
	return true
}

// globalV6 is what IPv6 gives to the public internet. Everything else in it is refused: NAT64 (64:ff9b::/96) and
// IPv4-compatible addresses among them, behind which a private IPv4 address can hide.
var globalV6 = netip.MustParsePrefix("2000::/3")

// specialRanges are the IANA special-purpose ranges that net/netip calls global, and the one public address at which a
// cloud answers its own machines.
var specialRanges = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}
