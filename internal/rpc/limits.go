package rpc

import (
	"maps"
	"sync"

	"golang.org/x/time/rate"

	"tallystick/internal/auth"
)

// Rates are how many calls a second a credential of each role may make.
type Rates map[auth.Role]rate.Limit

// DefaultRates are what a server allows when nothing else is configured.
func DefaultRates() Rates {
	return Rates{auth.System: 2000, auth.Member: 10, auth.Merchant: 50, auth.Finance: 20, auth.Operator: 20}
}

// maxLimiters is when those that are full again, and so remember nothing, are dropped.
const maxLimiters = 20_000

// limiters hold one token bucket a credential. Two seconds' worth may be used at once, and one call in any case.
type limiters struct {
	rates  Rates
	exempt map[string]bool

	mu    sync.Mutex
	byKey map[string]*rate.Limiter
}

func newLimiters(rates Rates, exemptClients []string) *limiters {
	if rates == nil {
		rates = DefaultRates()
	}
	l := &limiters{rates: rates, exempt: make(map[string]bool), byKey: make(map[string]*rate.Limiter)}
	for _, client := range exemptClients {
		l.exempt[client] = true
	}
	return l
}

func (l *limiters) allow(p *auth.Principal) bool {
	if l.exempt[p.Client] {
		return true
	}
	return l.of(p).Allow()
}

func (l *limiters) of(p *auth.Principal) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.byKey[p.KeyID]
	if limiter == nil {
		if len(l.byKey) >= maxLimiters {
			maps.DeleteFunc(l.byKey, func(_ string, old *rate.Limiter) bool { return old.Tokens() >= float64(old.Burst()) })
		}
		perSecond := l.rates[p.Role]
		limiter = rate.NewLimiter(perSecond, burst(perSecond))
		l.byKey[p.KeyID] = limiter
	}
	return limiter
}

// burst is how many calls may come at once: none for a role without a rate.
func burst(perSecond rate.Limit) int {
	if perSecond <= 0 {
		return 0
	}
	return max(1, int(2*perSecond))
}
