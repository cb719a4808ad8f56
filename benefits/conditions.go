package benefits

import (
	"slices"
	"strings"
	"time"

	"tallystick/ledger"
)

// circumstances are what the conditions of a benefit are decided by, besides the books.
type circumstances struct {
	Earner
	region, channel string // that the member asks from
	invited, queued bool   // to an event; behind others who wait for a seat of it
	now             time.Time
	variables       map[string]any // what conditions may name; nil without any condition
}

// know gives the conditions what they may name.
func (at *circumstances) know(s *section, zone *time.Location) {
	at.variables = make(map[string]any)
	at.Earner.variables(at.variables, at.now, s.members.Regions, zone, s.members.Attributes)
}

// denies names what of the conditions stands in the way, apart from tiers, in a fixed order. It depends on nothing else
// than what it is given. until is when the answer may be another by time alone; zero is never.
func (s *section) denies(b *Benefit, at *circumstances, zone *time.Location) (why []*ledger.Refusal, until time.Time) {
	because := func(what string, accepted []string) {
		why = append(why, refuse(ledger.NotEligible, "because", what, "accepted", strings.Join(accepted, " ")))
	}
	if len(b.Kinds) > 0 && !slices.Contains(b.Kinds, at.Kind) {
		kinds := make([]string, len(b.Kinds))
		for i, kind := range b.Kinds {
			kinds[i] = string(kind)
		}
		because("kind", kinds)
	}
	if len(b.Regions) > 0 && !s.lies(at.Region, b.Regions) && !s.lies(at.region, b.Regions) {
		because("region", b.Regions)
	}
	if len(b.Channels) > 0 && !slices.Contains(b.Channels, at.channel) {
		because("channel", b.Channels)
	}
	if len(b.Segments) > 0 && !slices.ContainsFunc(b.Segments, func(c string) bool { return slices.Contains(at.Segments, c) }) {
		because("segment", b.Segments)
	}
	if b.condition != nil {
		if holds, err := b.condition.holds(at.variables); err != nil || !holds { // what has no result does not hold
			because("condition", []string{b.condition.text})
		}
	}
	closed, until := b.closed(at.now, zone)
	if closed != nil {
		why = append(why, closed)
	}
	return why, until
}

// lies reports whether a region lies in one of others.
func (s *section) lies(region string, others []string) bool {
	return slices.ContainsFunc(others, func(around string) bool { return s.members.Regions.Within(region, around) })
}

// closed says why a benefit is not to be had at a time, whoever asks, and until when that holds.
func (c *Conditions) closed(now time.Time, zone *time.Location) (why *ledger.Refusal, until time.Time) {
	opens := c.From
	for _, p := range c.Priority {
		if begins := p.begins(c.From, zone); begins.Before(opens) {
			opens = begins
		}
	}
	if now.Before(opens) {
		return notOpen("not_yet", opens), opens
	}
	if !c.Until.IsZero() && !now.Before(c.Until) {
		return notOpen("over", time.Time{}), time.Time{}
	}
	open, until := c.Hours.at(now, zone)
	if !open {
		return notOpen("closed", until), until
	}
	ends := []time.Time{c.Until, c.From}
	for _, p := range c.Priority {
		ends = append(ends, p.begins(c.From, zone))
	}
	for _, end := range ends {
		if end.After(now) && (until.IsZero() || end.Before(until)) {
			until = end
		}
	}
	return nil, until
}

func notOpen(because string, opens time.Time) *ledger.Refusal {
	if opens.IsZero() {
		return refuse(ledger.NotOpen, "because", because)
	}
	return refuse(ledger.NotOpen, "because", because, "opens_at", opens.UTC().Format(time.RFC3339))
}

func (p Priority) begins(from time.Time, zone *time.Location) time.Time {
	return from.In(zone).AddDate(0, 0, -p.Days)
}

// tiers are those that a member needs to have a benefit at a time: the benefit's own, and before everybody's time the
// lowest of those whose priority has begun.
func (s *section) tiersFor(b *Benefit, now time.Time, zone *time.Location) []string {
	var needed []string
	if b.Tier != "" {
		needed = append(needed, b.Tier)
	}
	if !now.Before(b.From) {
		return needed
	}
	first := ""
	for _, p := range b.Priority {
		if !now.Before(p.begins(b.From, zone)) && (first == "" || s.tiers.rank(p.Tier) < s.tiers.rank(first)) {
			first = p.Tier
		}
	}
	if first != "" {
		needed = append(needed, first)
	}
	return needed
}
