package benefits

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tallystick/ledger"
)

// Rerating is a job that rates every member.
type Rerating struct {
	// Key names the job: stopped and started again with it, it goes on where it was. A job that is over begins anew.
	Key string
	// DryRun decides and posts nothing.
	DryRun bool
	// Tell hears how many members were rated, of about how many; Moved, which may be nil, whose tier is another now, or would
	// be. Both are called one at a time.
	Tell  func(rated, total int64)
	Moved func(TierMove)
}

// TierMove is a member on another tier of a group.
type TierMove struct {
	Member, Group string
	From, To      string // empty for none
	Source        Source // of To
	Cause         Cause
}

// Rerated is what a job came to.
type Rerated struct {
	Rated int64 // members, those before a resumed job stopped included
	Moved int64
}

// Members are walked through in phases, each in the order of a key: organisations before their people, the registry before
// whoever is in the books alone, by what is measured and by the tiers themselves, at last who was only reported of.
const (
	sqlOrganisations = `
SELECT m.member, m.member FROM members AS m
WHERE m.programme_id = $1 AND m.member > $2 AND m.kind = 'organisation'
ORDER BY m.member LIMIT $3`

	sqlOtherMembers = `
SELECT m.member, m.member FROM members AS m
WHERE m.programme_id = $1 AND m.member > $2 AND m.kind <> 'organisation'
ORDER BY m.member LIMIT $3`

	sqlWalletsOf = `
SELECT a.id::text, substr(a.owner, 8) FROM accounts AS a
WHERE a.programme_id = $1 AND a.id > coalesce(nullif($2, ''), '00000000-0000-0000-0000-000000000000')::uuid AND a.place = 'wallet' AND a.unit = ANY($4::text[]) AND a.owner LIKE 'member/%'
ORDER BY a.id LIMIT $3`

	sqlReportedOf = `
SELECT r.member, r.member FROM metric_reports AS r
WHERE r.programme_id = $1 AND r.member > $2
GROUP BY r.member
ORDER BY r.member LIMIT $3`

	sqlCountMembers = `
SELECT (SELECT count(*) FROM members AS m WHERE m.programme_id = $1)
     + (SELECT count(*) FROM accounts AS a WHERE a.programme_id = $1 AND a.place = 'wallet' AND a.unit = ANY($2::text[]))`
)

// ratePage is how many members are read and decided together.
const ratePage = ledger.MaxBatch

// RerateAll rates every member by the current version of the programme's document, as Rate does one by one, a page of them
// with a statement for each matter. It may run beside anything: a change that somebody else made meanwhile is decided again.
// What is not measured, said or held is not known, so whoever is neither enrolled, nor in the books, nor reported of is none.
func (c *Catalog) RerateAll(ctx context.Context, programme uuid.UUID, job Rerating) (Rerated, error) {
	p, s, err := c.current(ctx, programme)
	if err != nil {
		return Rerated{}, err
	}
	w := &rerating{Catalog: c, programme: p.Programme, job: job, seen: make(map[string]bool), id: uuid.NewSHA1(p.ID, []byte("rerate\x00"+job.Key))}
	units := s.tiers.codes()
	for _, g := range s.tiers {
		if g.Unit != "" {
			units = append(units, g.Unit)
		}
	}
	if err := c.pool.QueryRow(ctx, sqlCountMembers, p.ID, units).Scan(&w.total); err != nil {
		return Rerated{}, fmt.Errorf("benefits: count members: %w", err)
	}
	if err := w.resume(ctx); err != nil {
		return Rerated{}, err
	}
	for i, phase := range []func() error{
		func() error { return w.walk(ctx, sqlOrganisations) },
		func() error { return w.walk(ctx, sqlOtherMembers) },
		func() error { return w.walk(ctx, sqlWalletsOf, units) },
		func() error { return w.walk(ctx, sqlReportedOf) },
	} {
		if int64(i) < w.phase {
			continue // it was over when the job was stopped
		}
		if int64(i) > w.phase {
			w.phase, w.place = int64(i), ""
		}
		if err := phase(); err != nil {
			return w.done, err
		}
	}
	return w.done, w.over(ctx)
}

// rerating is a job under way.
type rerating struct {
	*Catalog
	programme *ledger.Programme
	job       Rerating
	id        uuid.UUID
	phase     int64
	place     string          // after which the phase goes on
	seen      map[string]bool // by this run: a member may be found in several phases
	total     int64

	mu   sync.Mutex
	done Rerated
}

// pagesAtOnce is how many pages are read and decided at a time. How far the job has come is noted when all of them are done.
const pagesAtOnce = 4

// walk rates the members of a phase.
func (w *rerating) walk(ctx context.Context, sql string, more ...any) error {
	for {
		var pages [][]string
		end := false
		for len(pages) < pagesAtOnce && !end {
			page, last, err := w.page(ctx, sql, more)
			if err != nil {
				return err
			}
			end = last
			if len(page) > 0 {
				pages = append(pages, page)
			}
		}
		group, pageCtx := errgroup.WithContext(ctx)
		for _, page := range pages {
			group.Go(func() error { return w.rate(pageCtx, page) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := w.note(ctx); err != nil || end {
			return err
		}
	}
}

// page reads the next members that this run has not seen, and whether they are the last of the phase.
func (w *rerating) page(ctx context.Context, sql string, more []any) (members []string, last bool, err error) {
	rows, err := w.pool.Query(ctx, sql, append([]any{w.programme.ID, w.place, ratePage}, more...)...)
	if err != nil {
		return nil, false, fmt.Errorf("benefits: read members: %w", err)
	}
	read, member := 0, ""
	_, err = pgx.ForEachRow(rows, []any{&w.place, &member}, func() error {
		if read++; !w.seen[member] {
			w.seen[member] = true
			members = append(members, member)
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("benefits: read members: %w", err)
	}
	return members, read < ratePage, nil
}

// rate decides a page and posts what changes. Whose state moved meanwhile is rated alone.
func (w *rerating) rate(ctx context.Context, members []string) error {
	t, s, err := w.current(ctx, w.programme.ID)
	if err != nil {
		return err
	}
	r, err := w.Catalog.rate(ctx, t, s, members)
	if err != nil {
		return err
	}
	var requests []ledger.Request
	var whose []string
	var moves []TierMove
	for _, m := range r.ratings {
		before := m.held(r.now)
		standing, changes := r.decide(m)
		moves = append(moves, movesOf(before, standing)...)
		for _, change := range changes {
			requests, whose = append(requests, change.Under(t.Programme)), append(whose, m.member)
		}
	}
	if !w.job.DryRun {
		if err := w.post(ctx, t.Programme, requests, whose); err != nil {
			return err
		}
	}
	w.count(int64(len(members)), moves)
	return nil
}

func (w *rerating) post(ctx context.Context, p *ledger.Programme, requests []ledger.Request, whose []string) error {
	for from := 0; from < len(requests); from += ledger.MaxBatch {
		to := min(from+ledger.MaxBatch, len(requests))
		answers, err := w.ledger.PostBatch(ctx, p.ID, requests[from:to], false)
		if err != nil {
			return err
		}
		for i, answer := range answers {
			switch {
			case answer.Err == nil:
			case moved(answer.Err):
				if _, err := w.Rate(ctx, p.ID, whose[from+i]); err != nil {
					return err
				}
			case errors.Is(answer.Err, &ledger.Refusal{Reason: ledger.MemberTerminated}): // it has no tier any more
			default:
				return fmt.Errorf("benefits: change of tier: %w", answer.Err)
			}
		}
	}
	return nil
}

func (w *rerating) count(rated int64, moves []TierMove) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done.Rated += rated
	w.done.Moved += int64(len(moves))
	w.job.Tell(min(w.done.Rated, w.total), w.total)
	for _, move := range moves {
		if w.job.Moved != nil {
			w.job.Moved(move)
		}
	}
}

// held is the highest tier of each group that a member holds before it is decided anew, by group.
func (m *rating) held(now time.Time) map[string]string {
	tiers := make(map[string]string, len(m.groups))
	for _, g := range m.groups {
		best := 0
		for _, lot := range m.heldIn(g.group.Code, now) {
			best = max(best, g.group.rank(lot.Tier))
		}
		tiers[g.group.Code] = g.group.code(best)
	}
	return tiers
}

// movesOf are the groups in which a member stands elsewhere than before.
func movesOf(before map[string]string, standing Standing) (moves []TierMove) {
	for _, g := range standing.Groups {
		move := TierMove{Member: standing.Member, Group: g.Group.Code, From: before[g.Group.Code], To: g.Group.code(g.Rank), Source: g.Source, Cause: Lapsed}
		if move.From == move.To {
			continue
		}
		for _, claim := range g.Claims {
			if claim.Source == g.Source && claim.Rank == g.Rank && !claim.Later {
				move.Cause = claim.Cause
			}
		}
		moves = append(moves, move)
	}
	return moves
}

const (
	sqlReadJob = `SELECT j.phase, j.place, j.rated FROM jobs AS j WHERE j.id = $1`

	sqlSaveJob = `
INSERT INTO jobs (id, programme_id, what, key, phase, place, rated)
VALUES ($1, $2, 'rerate', $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE
SET phase = excluded.phase, place = excluded.place, rated = excluded.rated`

	sqlDeleteJob = `DELETE FROM jobs AS j WHERE j.id = $1`
)

// resume reads how far an earlier run has come. A dry run is no earlier one, and has none.
func (w *rerating) resume(ctx context.Context) error {
	if w.job.DryRun {
		return nil
	}
	err := w.pool.QueryRow(ctx, sqlReadJob, w.id).Scan(&w.phase, &w.place, &w.done.Rated)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("benefits: read job: %w", err)
	}
	return nil
}

func (w *rerating) note(ctx context.Context) error {
	if w.job.DryRun {
		return nil
	}
	if _, err := w.pool.Exec(ctx, sqlSaveJob, w.id, w.programme.ID, w.job.Key, w.phase, w.place, w.done.Rated); err != nil {
		return fmt.Errorf("benefits: save job: %w", err)
	}
	return nil
}

func (w *rerating) over(ctx context.Context) error {
	if w.job.DryRun {
		return nil
	}
	if _, err := w.pool.Exec(ctx, sqlDeleteJob, w.id); err != nil {
		return fmt.Errorf("benefits: end job: %w", err)
	}
	return nil
}
