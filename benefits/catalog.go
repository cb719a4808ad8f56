package benefits

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/partners"
)

// Catalog is the benefits of all programmes of one database. It is safe for concurrent use.
type Catalog struct {
	ledger   *ledger.Ledger
	pool     *db.Pool
	vouchers *partners.Vouchers
	sections sync.Map // *ledger.Programme → *section
}

// New returns the catalog of the programmes in pool, whose books are l's and whose vouchers are v.
func New(l *ledger.Ledger, pool *db.Pool, v *partners.Vouchers) *Catalog {
	return &Catalog{ledger: l, pool: pool, vouchers: v}
}

// section returns what one version of a programme says about benefits.
func (c *Catalog) section(p *ledger.Programme) (*section, error) {
	if s, parsed := c.sections.Load(p); parsed {
		return s.(*section), nil //nolint:forcetypeassert // nothing else is stored
	}
	s, err := parse(p)
	if err != nil {
		return nil, err
	}
	c.sections.Store(p, s)
	return s, nil
}

// current returns the terms of a programme and what its document says about benefits.
func (c *Catalog) current(ctx context.Context, programme uuid.UUID) (ledger.Terms, *section, error) {
	t, err := c.ledger.Terms(ctx, programme)
	if err != nil {
		return t, nil, err
	}
	s, err := c.section(t.Programme)
	return t, s, err
}

// Benefit returns a benefit that is offered by a programme's current version, or NOT_FOUND.
func (c *Catalog) Benefit(ctx context.Context, programme uuid.UUID, code string) (*Benefit, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	return s.benefit(code)
}

func (s *section) benefit(code string) (*Benefit, error) {
	if b := s.benefits[code]; b != nil && b.State == BenefitActive {
		return b, nil
	}
	return nil, refuse(ledger.NotFoundReason, "benefit", code)
}

func refuse(reason ledger.Reason, detail ...string) *ledger.Refusal {
	r := &ledger.Refusal{Reason: reason, Detail: make(map[string]string, len(detail)/2)}
	for i := 0; i+1 < len(detail); i += 2 {
		r.Detail[detail[i]] = detail[i+1]
	}
	return r
}
