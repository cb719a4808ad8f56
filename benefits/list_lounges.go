package benefits

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// LoungesQuery asks for lounges. What is empty does not matter.
type LoungesQuery struct {
	Station string
	Region  string // it lies in it
	Benefit string // which lets in there
	Kinds   []LoungeKind
	Guests  int       // so many can be brought
	OpenAt  time.Time // it is open then
	After   string    // a code; only those after it
	Limit   int       // how many at the most; 0: all
}

// ListedLounge is a lounge of the directory, with what lets in there.
type ListedLounge struct {
	*LoungeSite
	Benefits []string // the codes of those that are offered
	Open     bool     // now
	// Changes is when Open does; zero for what is always open.
	Changes time.Time
}

// ListLounges reads the directory of a programme's current version, by code. Refusals: NOT_FOUND for a benefit that is not
// offered.
func (c *Catalog) ListLounges(ctx context.Context, programme uuid.UUID, q LoungesQuery) ([]ListedLounge, error) {
	t, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	if q.Benefit != "" {
		if _, err := s.benefit(q.Benefit); err != nil {
			return nil, err
		}
	}
	var list []ListedLounge
	for _, code := range slices.Sorted(maps.Keys(s.lounges)) {
		site := s.lounges[code]
		if code <= q.After || !s.asked(&q, site, t.Programme) {
			continue
		}
		l := ListedLounge{LoungeSite: site, Benefits: s.lettingInto(site)}
		l.Open, l.Changes = site.open(t.Now, t.Zone)
		if list = append(list, l); len(list) == q.Limit {
			break
		}
	}
	return list, nil
}

// asked reports whether a lounge is one that is asked for.
func (s *section) asked(q *LoungesQuery, site *LoungeSite, p *ledger.Programme) bool {
	switch {
	case q.Station != "" && q.Station != site.Station, q.Guests > site.Guests,
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, site.Kind),
		q.Region != "" && !s.members.Regions.Within(site.Region, q.Region),
		q.Benefit != "" && !s.lets(s.benefits[q.Benefit], site):
		return false
	case q.OpenAt.IsZero():
		return true
	}
	open, _ := site.open(q.OpenAt, p.Zone)
	return open
}

// lettingInto lists the benefits that are offered and let into a lounge, by code.
func (s *section) lettingInto(site *LoungeSite) []string {
	var list []string
	for _, b := range s.offered() {
		if s.lets(b, site) {
			list = append(list, b.Code)
		}
	}
	return list
}

// offered lists the benefits that are in the catalog, by code.
func (s *section) offered() []*Benefit {
	var list []*Benefit
	for _, code := range s.codes {
		if b := s.benefits[code]; b.State == BenefitActive {
			list = append(list, b)
		}
	}
	return list
}
