package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// canon builds the bytes that a hash covers. Every field is length-prefixed or of fixed size, so that no two different
// rows share bytes.
type canon []byte

func (c *canon) text(s string) {
	*c = binary.AppendUvarint(*c, uint64(len(s)))
	*c = append(*c, s...)
}

func (c *canon) texts(list ...string) {
	for _, s := range list {
		c.text(s)
	}
}

func (c *canon) bytes(b []byte) {
	*c = binary.AppendUvarint(*c, uint64(len(b)))
	*c = append(*c, b...)
}

func (c *canon) id(id uuid.UUID) { *c = append(*c, id[:]...) }

func (c *canon) int(n int64) { *c = binary.BigEndian.AppendUint64(*c, uint64(n)) }

// time is hashed in microseconds, the precision that both databases keep. The zero time is -1, which no stored time is.
func (c *canon) time(t time.Time) {
	if t.IsZero() {
		c.int(-1)
		return
	}
	c.int(t.UnixMicro())
}

// amount is hashed as text without trailing zeros, so 1.50 and 1.5 are the same.
func (c *canon) amount(d decimal.Decimal) { c.text(d.String()) }

func (c *canon) sum() []byte {
	sum := sha256.Sum256(*c)
	return sum[:]
}

// hash is the SHA-256 of the canonical request: what the caller asked, without the key that names it.
func (r *Request) hash() []byte {
	c := make(canon, 0, 256)
	if r.Asked != "" {
		c.texts("asked/1", string(r.Kind), r.Member, r.Asked, r.Reason, r.Reference, r.Actor, r.Channel)
		c.time(r.EffectiveAt)
		return c.sum()
	}
	c.texts("request/1", string(r.Kind), r.Member)
	c.int(int64(len(r.Legs)))
	for _, leg := range r.Legs {
		leg.into(&c)
	}
	c.id(r.Original)
	c.amount(r.Amount)
	if r.Release {
		c.int(1)
	} else {
		c.int(0)
	}
	c.int(int64(r.Timeout))
	for _, t := range [...]time.Time{r.DueAt, r.RedateFrom, r.RedateTo, r.EffectiveAt} {
		c.time(t)
	}
	c.texts(r.Reason, r.Reference, r.Rule, r.Actor, r.Channel)
	return c.sum()
}

func (leg *Leg) into(c *canon) {
	c.account(leg.From)
	c.account(leg.To)
	c.texts(leg.Unit, leg.Policy, leg.Fund, leg.Rule)
	c.amount(leg.Amount)
	c.time(leg.ExpiresAt)
	c.int(int64(len(leg.Uses)))
	for _, used := range leg.Uses {
		c.account(used)
	}
	c.texts(leg.Owes.Partner, leg.Owes.Fund, leg.Owes.Unit)
	c.amount(leg.Owes.Share)
	c.amount(leg.Owes.Price)
}

func (c *canon) account(a Account) {
	c.texts(a.Unit, string(a.Owner), a.PlaceText())
	c.int(int64(a.Stripe))
}

// chain is the entry's hash: it covers every column of the row and the account's previous hash (L8).
func (e *Entry) chain(previous []byte) []byte {
	c := make(canon, 0, 320)
	c.text("entry/1")
	c.bytes(previous)
	c.id(e.AccountID)
	c.time(e.RecordedAt)
	c.int(e.Seq)
	c.id(e.Transaction)
	c.int(int64(e.Leg))
	c.text(string(e.Kind))
	c.amount(e.Amount)
	c.amount(e.Balance)
	c.time(e.EffectiveAt)
	c.text(formatDraws(e.Draws))
	return c.sum()
}

// digest is the transaction's hash: it covers every column of its row and of its legs.
func (t *Transaction) digest() []byte {
	c := make(canon, 0, 512)
	c.text("transaction/1")
	c.id(t.ID)
	c.id(t.Programme)
	c.texts(t.Client, t.Key, string(t.Kind))
	c.bytes(t.RequestHash)
	c.texts(string(t.Rejection), formatDetail(t.Detail), t.Member)
	c.amount(t.Amount)
	c.id(t.Original)
	c.time(t.DueAt)
	c.texts(t.Reason, t.Reference, t.Actor, t.Channel, t.Rule)
	c.int(t.RuleVersion)
	c.time(t.EffectiveAt)
	c.time(t.RecordedAt)
	c.int(int64(len(t.Legs)))
	for _, leg := range t.Legs {
		c.texts(leg.Unit, leg.Rule)
		c.amount(leg.Amount)
		c.account(leg.From.Account)
		c.int(leg.From.Seq)
		c.account(leg.To.Account)
		c.int(leg.To.Seq)
	}
	return c.sum()
}

// Seal is one batch's link in its stripe's chain (L8).
type Seal struct {
	Programme    uuid.UUID
	Stripe       int16
	N            int64
	RecordedAt   time.Time
	SealedAt     time.Time // by the real clock, also in a sandbox
	FirstEvent   int64
	Events       int64
	Transactions []uuid.UUID
	Hash         []byte
}

// chain is the seal's hash over the previous seal's and the hashes of its transactions, in order.
func (s *Seal) chain(previous []byte, digests [][]byte) []byte {
	c := make(canon, 0, 128+48*len(s.Transactions))
	c.text("seal/1")
	c.bytes(previous)
	c.id(s.Programme)
	for _, n := range [...]int64{int64(s.Stripe), s.N, s.FirstEvent, s.Events, int64(len(s.Transactions))} {
		c.int(n)
	}
	c.time(s.RecordedAt)
	c.time(s.SealedAt)
	for i, id := range s.Transactions {
		c.id(id)
		c.bytes(digests[i])
	}
	return c.sum()
}

// chainVersion is the hash of one version of a programme's document: it covers the row and the version before it.
func chainVersion(previous []byte, programme uuid.UUID, v *Version, document []byte) []byte {
	c := make(canon, 0, 256+len(document))
	c.text("version/2")
	c.bytes(previous)
	c.id(programme)
	c.int(v.Number)
	c.bytes(document)
	c.time(v.AppliedAt)
	c.text(v.AppliedBy)
	return c.sum()
}

// formatDetail is the stored form of a rejection's detail: "key=value" lines in order of key.
func formatDetail(detail map[string]string) string {
	text := ""
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		text += key + "=" + detail[key] + "\n"
	}
	return text
}
