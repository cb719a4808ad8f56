package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/internal/db"
)

// balanceLane groups reads of balances as the lanes group postings: whatever queues up while one group reads is the
// next group. It needs no timer, and no goroutine while nobody reads.
type balanceLane struct {
	mu      sync.Mutex
	waiting []*balanceQuery
	readers int
}

const (
	// balanceReaders groups read at a time: with one, the database would idle while the answers are handed out.
	balanceReaders = 2
	maxBalances    = 256 // units of members in one round trip
	readTime       = 10 * time.Second
)

// balanceQuery is one caller's question. The group that reads it sets the fields below done, then closes it.
type balanceQuery struct {
	programme uuid.UUID
	parts     []*balancePart
	done      chan struct{}
	declared  *Programme
	now       time.Time
	err       error
}

// add queues a question and starts a reader if there are not enough.
func (n *balanceLane) add(q *balanceQuery, read func(context.Context, []*balanceQuery) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = append(n.waiting, q)
	if n.readers < balanceReaders {
		n.readers++
		go n.run(read)
	}
}

func (n *balanceLane) run(read func(context.Context, []*balanceQuery) error) {
	for group := n.take(); len(group) > 0; group = n.take() {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		err := read(ctx, group)
		cancel()
		for _, q := range group {
			q.err = err
			close(q.done)
		}
	}
}

// take returns the questions of one programme that wait, up to a bound; with none it signs the reader off.
func (n *balanceLane) take() []*balanceQuery {
	n.mu.Lock()
	defer n.mu.Unlock()
	size := 0
	var group, rest []*balanceQuery
	for _, q := range n.waiting {
		if len(group) > 0 && (q.programme != group[0].programme || size+len(q.parts) > maxBalances) {
			rest = append(rest, q)
			continue
		}
		group = append(group, q)
		size += len(q.parts)
	}
	n.waiting = rest
	if len(group) == 0 {
		n.readers--
	}
	return group
}

// balancePart collects the rows of one member's unit.
type balancePart struct {
	wallet        Account
	walletID      uuid.UUID
	debtID        uuid.UUID
	posted, debt  decimal.Decimal
	pending, held decimal.Decimal
	lots          lotSet
}

func newBalancePart(programme uuid.UUID, member, unit string) *balancePart {
	wallet := walletOf(member, unit)
	return &balancePart{wallet: wallet, walletID: wallet.ID(programme), debtID: debtOf(wallet).ID(programme)}
}

// balance derives the numbers as of now.
func (p *balancePart) balance(now time.Time) Balance {
	b := Balance{
		Unit: p.wallet.Unit, At: now, Posted: p.posted, Pending: p.pending, Held: p.held, Debt: p.debt.Neg(),
		Available: decimal.Max(decimal.Zero, p.lots.live(now).Add(p.debt)),
	}
	for _, lot := range p.lots {
		last := len(b.Expiries) - 1
		switch {
		case !lot.ExpiresAt.After(now):
		case last >= 0 && b.Expiries[last].At.Equal(lot.ExpiresAt): // another fund's lot
			b.Expiries[last].Amount = b.Expiries[last].Amount.Add(lot.Remaining)
		default:
			b.Expiries = append(b.Expiries, Expiry{At: lot.ExpiresAt, Amount: lot.Remaining})
		}
	}
	return b
}

// balanceGroup is what one round trip reads: the parts of all questions, found by account and by owner and unit.
type balanceGroup struct {
	programme uuid.UUID
	byAccount map[uuid.UUID][]*balancePart
	byOwner   map[ownerUnit][]*balancePart
	state     State
}

type ownerUnit struct {
	owner Owner
	unit  string
}

// readBalances answers a group of questions from one snapshot.
func (l *Ledger) readBalances(ctx context.Context, queries []*balanceQuery) error {
	var g *balanceGroup
	err := db.InTx(ctx, l.posting, db.Snapshot, func(tx dbTx) error {
		g = newBalanceGroup(queries)
		batch := g.batch()
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("read balances: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	declared, err := l.programmeAt(ctx, l.posting, g.programme, g.state.Version)
	for _, q := range queries {
		q.declared, q.now = declared, g.state.Now
	}
	return err
}

// newBalanceGroup starts from empty parts, because the snapshot may be tried again.
func newBalanceGroup(queries []*balanceQuery) *balanceGroup {
	g := &balanceGroup{
		programme: queries[0].programme,
		byAccount: make(map[uuid.UUID][]*balancePart, 2*len(queries)),
		byOwner:   make(map[ownerUnit][]*balancePart, len(queries)),
	}
	for _, q := range queries {
		for _, p := range q.parts {
			*p = balancePart{wallet: p.wallet, walletID: p.walletID, debtID: p.debtID}
			g.byAccount[p.walletID] = append(g.byAccount[p.walletID], p)
			g.byAccount[p.debtID] = append(g.byAccount[p.debtID], p)
			key := ownerUnit{p.wallet.Owner, p.wallet.Unit}
			g.byOwner[key] = append(g.byOwner[key], p)
		}
	}
	return g
}

// batch queues the four reads. None joins two tables, so none can be planned badly.
func (g *balanceGroup) batch() *pgx.Batch {
	accounts := make([]uuid.UUID, 0, len(g.byAccount))
	for id := range g.byAccount {
		accounts = append(accounts, id)
	}
	owners, units := make([]string, 0, len(g.byOwner)), make([]string, 0, 4)
	for key := range g.byOwner {
		if !slices.Contains(units, key.unit) {
			units = append(units, key.unit)
		}
		owners = append(owners, string(key.owner))
	}
	slices.Sort(owners)
	owners = slices.Compact(owners)
	var q pgx.Batch
	q.Queue(sqlReadState, g.programme).QueryRow(g.scanState)
	q.Queue(sqlReadBalances, accounts).Query(g.scanBalances)
	q.Queue(sqlReadBalanceLots, accounts).Query(g.scanLots)
	q.Queue(sqlReadOpenBalances, g.programme, owners, units).Query(g.scanOpen)
	return &q
}

func (g *balanceGroup) scanState(row pgx.Row) (err error) {
	g.state, err = scanState(row, g.programme)
	return err
}

func (g *balanceGroup) scanBalances(rows pgx.Rows) error {
	var id uuid.UUID
	var balance decimal.Decimal
	_, err := pgx.ForEachRow(rows, []any{&id, &balance}, func() error {
		for _, p := range g.byAccount[id] {
			if id == p.debtID {
				p.debt = balance
			} else {
				p.posted = balance
			}
		}
		return nil
	})
	return err
}

func (g *balanceGroup) scanLots(rows pgx.Rows) error {
	var id uuid.UUID
	var lot Lot
	_, err := pgx.ForEachRow(rows, []any{&id, &lot.ExpiresAt, &lot.Fund, &lot.Remaining}, func() error {
		lot.ExpiresAt = lot.ExpiresAt.UTC()
		for _, p := range g.byAccount[id] {
			p.lots = append(p.lots, lot)
		}
		return nil
	})
	return err
}

// scanOpen adds up what waits in the members' pending places and holds. The statement may find units that nobody asked
// of this member; they have no part.
func (g *balanceGroup) scanOpen(rows pgx.Rows) error {
	var key ownerUnit
	var place string
	var balance decimal.Decimal
	_, err := pgx.ForEachRow(rows, []any{&key.owner, &key.unit, &place, &balance}, func() error {
		for _, p := range g.byOwner[key] {
			switch {
			case strings.HasPrefix(place, string(Hold)):
				p.held = p.held.Add(balance)
			case strings.HasPrefix(place, string(Pending)):
				p.pending = p.pending.Add(balance)
			}
		}
		return nil
	})
	return err
}

const (
	sqlReadBalances = `
SELECT a.id, a.balance
FROM accounts AS a
WHERE a.id = ANY($1::uuid[])`

	sqlReadBalanceLots = `
SELECT l.account_id, l.expires_at, l.fund, l.remaining
FROM lots AS l
WHERE l.account_id = ANY($1::uuid[])
ORDER BY l.account_id, l.expires_at, l.fund`

	// Owner by owner, which DISTINCT keeps apart, and the balance row by row: no planner can turn either into a scan. A
	// session that planned it when the table was empty keeps the plan, and with owner = ANY that would be a scan of all of
	// the programme's open places.
	sqlReadOpenBalances = `
SELECT o.owner, o.unit, o.place, (SELECT a.balance FROM accounts AS a WHERE a.id = o.account_id) AS balance
FROM unnest($2::text[]) AS u (owner)
CROSS JOIN LATERAL (
  SELECT DISTINCT p.owner, p.unit, p.place, p.account_id
  FROM open_places AS p
  WHERE p.programme_id = $1 AND p.owner = u.owner AND p.unit = ANY($3::text[])
) AS o`
)
