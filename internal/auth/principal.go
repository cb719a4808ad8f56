// Package auth knows who calls: it issues API keys, verifies them and says what their holder is.
//
// Only the SHA-256 of a key is stored. That is enough, and fast, because a key's secret has 190 bits of randomness;
// slow hashes are for passwords. A verified key is remembered for a few seconds, so authentication costs a hash and a
// look-up per call, and a revoked key works for at most [Recheck] longer.
package auth

import (
	"strings"

	"github.com/google/uuid"
)

// Role is what a principal may do; the API's table of procedures names roles.
type Role string

// The roles. A member sees only itself, a merchant only what is its own, finance reads all books and cannot post.
const (
	System   Role = "system"
	Member   Role = "member"
	Merchant Role = "merchant"
	Finance  Role = "finance"
	Operator Role = "operator"
)

// Roles are all of them.
var Roles = []Role{System, Member, Merchant, Finance, Operator}

// Principal is the holder of a verified key. The programme of every call is its programme; no request names one.
type Principal struct {
	// KeyID is the public part of the key.
	KeyID     string
	Programme uuid.UUID
	Role      Role
	// Client is the program that calls.
	Client string
	// Subject is the member's reference, or the partner's with its outlet after a slash. Empty for the other roles.
	Subject string
}

// Partner is the partner that a merchant's key belongs to, and its outlet when the key names one.
func (p *Principal) Partner() (partner, outlet string) {
	partner, outlet, _ = strings.Cut(p.Subject, "/")
	return partner, outlet
}

// Holder scopes idempotency keys and is the actor of what is posted: the client and, when there is one, the subject.
// Members who use one app must not meet in each other's keys. A client's name has no slash, so no two holders share one.
func (p *Principal) Holder() string {
	if p.Subject == "" {
		return p.Client
	}
	return p.Client + "/" + p.Subject
}
