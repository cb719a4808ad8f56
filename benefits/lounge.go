package benefits

import (
	"slices"
	"time"

	"tallystick/partners"
)

// LoungeKind is what sort of place members are let into.
type LoungeKind string

// The kinds of lounge.
const (
	AirportLounge   LoungeKind = "airport_lounge"
	RailwayLounge   LoungeKind = "railway_lounge"
	AirportFastLane LoungeKind = "airport_fast_lane"
	RailwayFastLane LoungeKind = "railway_fast_lane"
)

// Values are the kinds that a document may name.
func (LoungeKind) Values() []string {
	return []string{string(AirportLounge), string(RailwayLounge), string(AirportFastLane), string(RailwayFastLane)}
}

// LoungeSite is one lounge of the directory: a place with a door, at which an operator lets members in.
type LoungeSite struct {
	Code      string
	Kind      LoungeKind
	Names     partners.Names
	Station   string // the airport's IATA code, or the railway's telegraph code
	Terminal  string // empty where there is one only
	Region    string // of the programme's tree
	Operator  string // the partner
	Hours     Hours
	Guests    int            // the most that a member may bring to a visit; 0: none are let in
	Amenities partners.Names // in every language or in none
}

// Entry is where and with whom a benefit of kind lounge lets members in.
type Entry struct {
	Lounges []string     // by code
	Regions []string     // lounges that lie in one of them
	Kinds   []LoungeKind // of these only; none: all
	Guests  GuestTerms
	// Days is how long a visit waits for the operator's report, after which what it holds goes back.
	Days int
}

// GuestTerms are what guests of a visit cost.
type GuestTerms struct {
	Most int // a visit, where the lounge allows more
	Free int // of a visit: they cost nothing
	// Prices are the ways in which each further guest is paid for. One in uses of an allotment is the guest allowance: the
	// member's own visits where it is the unit that the member enters with, a separate one otherwise.
	Prices []Price
}

// lets reports whether a benefit is good for a lounge.
func (s *section) lets(b *Benefit, site *LoungeSite) bool {
	e := b.Entry
	if e == nil || len(e.Kinds) > 0 && !slices.Contains(e.Kinds, site.Kind) {
		return false
	}
	return slices.Contains(e.Lounges, site.Code) || site.Region != "" && s.lies(site.Region, e.Regions)
}

// open reports whether a lounge is open at a time, and when that changes; never for one that is always open.
func (l *LoungeSite) open(at time.Time, zone *time.Location) (bool, time.Time) {
	return l.Hours.at(at, zone)
}
