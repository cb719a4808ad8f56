package ledger

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// programmeFacts is a programme's row and what its control transactions make of it.
type programmeFacts struct {
	rowClock, rowOpenFrom int64
	sandbox               bool
	version               int64
	versions              map[int64]*Programme
	lastVersion           int64
	versionHead           []byte
	clock, openFrom       int64 // the latest that a posted transaction set
	freezes               map[string]*freezeFacts
}

// freezeFacts counts a member's freezes, which can come from several stripes in any order.
type freezeFacts struct {
	frozen int // freezes less unfreezes
	latest int64
	ids    []uuid.UUID // the freezes recorded at the latest time
	ended  []uuid.UUID // the forfeitures; there is one at most
}

func (p *programmeFacts) freeze(member string, id uuid.UUID, kind Kind, recordedAt int64) {
	f := p.freezes[member]
	if f == nil {
		f = new(freezeFacts)
		p.freezes[member] = f
	}
	if kind == KindForfeiture {
		f.ended = append(f.ended, id)
		return
	}
	if kind == KindUnfreeze {
		f.frozen--
		return
	}
	f.frozen++
	switch {
	case recordedAt > f.latest || f.ids == nil:
		f.latest, f.ids = recordedAt, []uuid.UUID{id}
	case recordedAt == f.latest:
		f.ids = append(f.ids, id)
	}
}

// stands reports whether a transaction stands in the member's way, by all that was recorded.
func (f *freezeFacts) stands(id uuid.UUID) bool {
	if len(f.ended) > 0 {
		return len(f.ended) == 1 && f.ended[0] == id
	}
	return f.frozen == 1 && slices.Contains(f.ids, id)
}

// readProgrammes reads the programmes and every version of their documents.
func (v *verifier) readProgrammes(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyProgrammes, binaryRows)
	err = each(rows, err, func(c [][]byte) error {
		id := rawID(c[0])
		v.programmes[id] = &programmeFacts{
			sandbox: c[2][0] == 1, rowClock: rawTime(c[3]), rowOpenFrom: rawTime(c[4]), version: rawInt8(c[5]),
			versions: make(map[int64]*Programme), freezes: make(map[string]*freezeFacts),
			clock: sandboxEpoch.UnixMicro(), openFrom: sandboxEpoch.UnixMicro(),
		}
		if ProgrammeID(string(c[1])) != id {
			v.fail(checkProgramme, "programme "+id.String(), "its id does not follow from its name %q", c[1])
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows, err = v.tx.Query(ctx, sqlVerifyVersions, binaryRows)
	return each(rows, err, func(c [][]byte) error {
		row := Version{Number: rawInt8(c[1]), AppliedAt: microTime(rawTime(c[3])), AppliedBy: string(c[4]), Hash: slices.Clone(c[5])}
		v.version(rawID(c[0]), &row, c[2])
		return nil
	})
}

// version checks one version of a programme: its number and its hash follow the one before it.
func (v *verifier) version(id uuid.UUID, is *Version, document []byte) {
	v.counts[checkVersions]++
	n := is.Number
	row := fmt.Sprintf("version %d of programme %s", n, id)
	facts := v.programmes[id]
	p, unreadable := ParseProgramme(document, n)
	if unreadable != nil || p.ID != id || facts == nil {
		v.fail(checkVersions, row, "it is not readable, or another programme's")
		return
	}
	if n != facts.lastVersion+1 {
		v.fail(checkVersions, row, "it follows version %d", facts.lastVersion)
	}
	if !bytes.Equal(is.Hash, chainVersion(facts.versionHead, id, is, document)) {
		v.fail(checkVersions, row, "its hash does not follow from its row and the version before it")
	}
	facts.versions[n], facts.lastVersion, facts.versionHead = p, n, is.Hash
}

// checkProgrammes compares the programmes' rows with what control transactions set.
func (v *verifier) checkProgrammes() {
	for id, p := range v.programmes {
		v.counts[checkProgramme]++
		row := "programme " + id.String()
		if p.rowClock != p.clock {
			v.fail(checkProgramme, row, "its clock stands at %s, the journal set it to %s", microTime(p.rowClock), microTime(p.clock))
		}
		if p.rowOpenFrom != p.openFrom {
			v.fail(checkProgramme, row, "its period is open from %s, the journal set %s", microTime(p.rowOpenFrom), microTime(p.openFrom))
		}
		if p.version != p.lastVersion {
			v.fail(checkVersions, row, "it has version %d, its last document is of version %d", p.version, p.lastVersion)
		}
		if current := p.versions[p.version]; current == nil || current.Sandbox != p.sandbox {
			v.fail(checkProgramme, row, "its version %d is not there, or sandbox is not %t in it", p.version, p.sandbox)
		}
	}
}

// checkTotals checks that every unit's balances sum to zero (L1).
func (v *verifier) checkTotals() {
	for key, total := range v.totals {
		v.counts[checkTotal]++
		if !total.isZero() {
			v.fail(checkTotal, "unit "+key.unit+" of programme "+key.programme.String(), "its balances sum to %s", total)
		}
	}
}

// readProjections states what the remaining projections say, and checks freezes and reversals.
func (v *verifier) readProjections(ctx context.Context) error {
	for _, read := range []func(context.Context) error{
		v.readOpenPlaces, v.readFollowUps, v.readReferences, v.readFreezes, v.readClosed, v.readReversed,
	} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) readOpenPlaces(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyOpenPlaces, binaryRows)
	return each(rows, err, func(c [][]byte) error {
		id := rawID(c[3])
		v.tally.add(aboutOpenPlaces, right, id, v.openPlace(id, rawID(c[0]), rawInt2(c[1]), rawTime(c[2]), c[4:8]...))
		return nil
	})
}

func (v *verifier) readFollowUps(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyFollowUps, binaryRows)
	return each(rows, err, func(c [][]byte) error {
		f := v.fact.reset()
		f.canon = append(append(f.canon, c[0]...), c[1]...)
		f.numeric(c[3])
		f.raw(c[2])
		v.tally.add(aboutFollowUps, right, rawID(c[1]), f.canon)
		return nil
	})
}

func (v *verifier) readReferences(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyReferences, binaryRows)
	return each(rows, err, func(c [][]byte) error {
		id := rawID(c[4])
		v.tally.add(aboutReferences, right, id, v.reference(id, rawID(c[0]), c[1], c[2], c[3]))
		return nil
	})
}

// readFreezes compares the frozen members with those whose last word is a freeze.
func (v *verifier) readFreezes(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyFreezes)
	if err != nil {
		return err
	}
	var programme, id uuid.UUID
	var member string
	_, err = pgx.ForEachRow(rows, []any{&programme, &member, &id}, func() error {
		v.counts[checkFreezes]++
		var f *freezeFacts
		if p := v.programmes[programme]; p != nil {
			f = p.freezes[member]
		}
		if f == nil || !f.stands(id) {
			v.fail(checkFreezes, "freeze by transaction "+id.String(), "the journal does not say so")
			return nil
		}
		v.counts[checkClosed] += int64(len(f.ended))
		f.frozen, f.ended = 0, nil
		return nil
	})
	for id, p := range v.programmes {
		for _, f := range p.freezes {
			if len(f.ended) > 0 {
				v.fail(checkFreezes, "freeze by transaction "+f.ended[0].String(), "programme %s does not show it", id)
			} else if f.frozen != 0 && len(f.ids) > 0 {
				v.fail(checkFreezes, "freeze by transaction "+f.ids[0].String(), "programme %s does not show it", id)
			} else if f.frozen != 0 {
				v.fail(checkFreezes, "programme "+id.String(), "a member was unfrozen who was not frozen")
			}
		}
	}
	return err
}

// readClosed checks that nothing is left in, or came into, the places of members whose membership ended.
func (v *verifier) readClosed(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyClosed)
	if err != nil {
		return err
	}
	var programme, id uuid.UUID
	var place string
	_, err = pgx.ForEachRow(rows, []any{&programme, &id, &place}, func() error {
		a, _ := ParsePlace(place)
		if a.Place.bearsLots() && (a.Place != Voucher || !v.programmes[programme].keepsVouchers()) {
			v.fail(checkClosed, "account "+id.String(), "it holds something in %s, and the membership ended", place)
		}
		return nil
	})
	return err
}

// keepsVouchers reports whether a version of the programme ever let vouchers outlive a membership.
func (p *programmeFacts) keepsVouchers() bool {
	if p == nil {
		return false
	}
	for _, version := range p.versions {
		if version.KeepsVouchers {
			return true
		}
	}
	return false
}

// readReversed checks that reversals and clawbacks never exceed what they take back.
func (v *verifier) readReversed(ctx context.Context) error {
	rows, err := v.tx.Query(ctx, sqlVerifyReversed)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var reversed, amount decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&id, &reversed, &amount}, func() error {
		if v.counts[checkReversed]++; reversed.GreaterThan(amount) {
			v.fail(checkReversed, "transaction "+id.String(), "%s of %s is reversed", reversed, amount)
		}
		return nil
	})
	return err
}

const (
	sqlVerifyProgrammes = `
SELECT p.id, p.name, p.sandbox, p.clock, p.open_from, p.version
FROM programmes AS p`

	sqlVerifyVersions = `
SELECT v.programme_id, v.version, v.document, v.applied_at, v.applied_by, v.hash
FROM programme_versions AS v
ORDER BY v.programme_id, v.version`

	sqlVerifyOpenPlaces = `
SELECT o.programme_id, o.bucket, o.due_at, o.account_id, o.owner, o.unit, o.place, o.due_kind
FROM open_places AS o`

	sqlVerifyFollowUps = `
SELECT f.original_id, f.transaction_id, f.kind, f.amount
FROM follow_ups AS f`

	sqlVerifyReferences = `
SELECT r.programme_id, r.client, r.kind, r.reference, r.transaction_id
FROM business_references AS r`

	sqlVerifyFreezes = `
SELECT f.programme_id, f.member, f.transaction_id
FROM freezes AS f`

	sqlVerifyClosed = `
SELECT a.programme_id, a.id, a.place
FROM freezes AS f
JOIN transactions AS t ON t.id = f.transaction_id AND t.kind = 'forfeiture'
JOIN accounts AS a ON a.programme_id = f.programme_id AND a.owner = 'member/' || f.member
WHERE a.balance > 0`

	sqlVerifyReversed = `
SELECT f.original_id, sum(f.amount), t.amount
FROM follow_ups AS f
JOIN transactions AS t ON t.id = f.original_id
WHERE f.kind IN ('reversal', 'clawback')
GROUP BY f.original_id, t.amount`
)
