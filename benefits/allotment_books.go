package benefits

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// allotmentBooks is what the books have of one member's allotment in a period.
type allotmentBooks struct {
	chain    []allotted
	carried  bool
	left     decimal.Decimal // of what was granted in the period
	leftOver decimal.Decimal // of what was granted in the period before, and lapsed with it
}

const (
	sqlAllotmentLots = `
SELECT l.account_id, l.expires_at, l.fund, l.remaining
FROM lots AS l
WHERE l.account_id = ANY($1::uuid[])`

	sqlAllotmentSteps = `
SELECT t.id, t.rule, l.from_place, l.to_place, l.amount
FROM transactions AS t
JOIN legs AS l ON l.transaction_id = t.id
WHERE t.id = ANY($1::uuid[])`
)

// chainChunk is how many steps of a chain are looked for at once; few members have more in a period.
const chainChunk = 4

// readAllotments reads the books of entitlements, in their order. A lot that lapses while they are read is found either as
// a lot or as its expiry, because the lots are read first.
func (c *Catalog) readAllotments(ctx context.Context, p *ledger.Programme, list []entitled) ([]allotmentBooks, error) {
	books := make([]allotmentBooks, len(list))
	if len(list) == 0 {
		return books, nil
	}
	if err := c.readAllotmentLots(ctx, p, list, books); err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	for i := range list {
		ids = append(ids, list[i].id(p.ID, carriedStep), list[i].leftOver(p.ID))
	}
	steps := make(map[uuid.UUID]allotted)
	for from := 0; ; from += chainChunk {
		for i := range list {
			if len(books[i].chain) == from {
				for n := range chainChunk {
					ids = append(ids, list[i].id(p.ID, strconv.Itoa(from+n)))
				}
			}
		}
		if len(ids) == 0 {
			return books, nil
		}
		if err := c.readSteps(ctx, ids, steps); err != nil {
			return nil, err
		}
		ids = ids[:0]
		for i := range list {
			books[i].add(&list[i], p.ID, steps)
		}
	}
}

// add takes what was found into the books of an entitlement.
func (b *allotmentBooks) add(e *entitled, programme uuid.UUID, steps map[uuid.UUID]allotted) {
	_, b.carried = steps[e.id(programme, carriedStep)]
	if lapsed, swept := steps[e.leftOver(programme)]; swept {
		b.leftOver = lapsed.amount
	}
	for {
		step, posted := steps[e.id(programme, strconv.Itoa(len(b.chain)))]
		if !posted {
			return
		}
		step.tier = strings.TrimPrefix(step.tier, allotmentRule+e.Unit+"/")
		b.chain = append(b.chain, step)
	}
}

func (e *entitled) wallet() ledger.Account {
	return ledger.Account{Unit: e.Unit, Owner: ledger.Member(e.member), Place: ledger.Wallet}
}

// leftOver is the transaction by which what was left of the period before expired.
func (e *entitled) leftOver(programme uuid.UUID) uuid.UUID {
	return ledger.ExpiryID(programme, e.wallet(), e.before.end, e.fund)
}

func (c *Catalog) readAllotmentLots(ctx context.Context, p *ledger.Programme, list []entitled, books []allotmentBooks) error {
	accounts := make([]uuid.UUID, len(list))
	at := make(map[uuid.UUID]int, len(list))
	for i := range list {
		accounts[i] = list[i].wallet().ID(p.ID)
		at[accounts[i]] = i
	}
	rows, err := c.pool.Query(ctx, sqlAllotmentLots, accounts)
	if err != nil {
		return fmt.Errorf("benefits: read allotments: %w", err)
	}
	var account uuid.UUID
	var expires time.Time
	var fund string
	var remaining decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&account, &expires, &fund, &remaining}, func() error {
		i := at[account]
		switch {
		case fund != list[i].fund:
		case expires.Equal(list[i].term.end):
			books[i].left = remaining
		case expires.Equal(list[i].before.end):
			books[i].leftOver = remaining
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("benefits: read allotments: %w", err)
	}
	return nil
}

// readSteps reads what transactions granted, took back or let expire. The tier is the rule's.
func (c *Catalog) readSteps(ctx context.Context, ids []uuid.UUID, steps map[uuid.UUID]allotted) error {
	rows, err := c.pool.Query(ctx, sqlAllotmentSteps, ids)
	if err != nil {
		return fmt.Errorf("benefits: read grants: %w", err)
	}
	var id uuid.UUID
	var rule, from, to string
	var amount decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&id, &rule, &from, &to, &amount}, func() error {
		switch string(ledger.Issuance) {
		case to:
			steps[id] = allotted{rule, steps[id].amount.Sub(amount)}
		case from:
			steps[id] = allotted{rule, steps[id].amount.Add(amount)}
		default:
			if to == string(ledger.Breakage) && rule == "" {
				steps[id] = allotted{rule, steps[id].amount.Add(amount)}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("benefits: read grants: %w", err)
	}
	return nil
}
