package benefits

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

type eventDocument struct {
	Type     EventType      `yaml:"type" is:"required" doc:"What kind of event it is."`
	Place    partners.Names `yaml:"place" is:"required" doc:"Where it is, by language."`
	Region   string         `yaml:"region" doc:"The region that it is in."`
	Zone     string         `yaml:"zone" doc:"The time zone of its times; none: the programme's."`
	Starts   string         `yaml:"starts" is:"required" doc:"The local time at which it begins."`
	Ends     string         `yaml:"ends" is:"required" doc:"The local time at which it is over."`
	How      Admission      `yaml:"how" doc:"How one gets a seat; none: open."`
	Review   int64          `yaml:"review_hours" doc:"How many hours an application may wait for an answer; none: 72."`
	Offer    int64          `yaml:"offer_minutes" doc:"How many minutes a seat is offered to who waited for it; none: 120."`
	Guests   partyDocument  `yaml:"guests" doc:"Whom a member may bring; none: nobody."`
	Cancel   cancelDocument `yaml:"cancel" doc:"What giving a seat back costs; none: nothing until the start."`
	NoShow   NoShow         `yaml:"no_show" doc:"What becomes of the price of who did not come; none: keep."`
	Strikes  string         `yaml:"strikes" doc:"The limit that every no-show uses; with none left one cannot book."`
	Lists    []listDocument `yaml:"lists" doc:"The gates, each of which checks in for itself."`
	Attended string         `yaml:"attended" doc:"The activity of who came, for the earning rules."`
}

type partyDocument struct {
	Most   int64    `yaml:"most" doc:"How many one booking may bring."`
	Free   int64    `yaml:"free" doc:"How many of them cost nothing."`
	Limits []string `yaml:"limits" doc:"The limits that guests use."`
}

type cancelDocument struct {
	Free int64           `yaml:"free_hours" doc:"Until how many hours before the start a seat is given back for nothing."`
	Keep document.Amount `yaml:"keep" doc:"The part of the price, 0 to 1, that is kept from then on; none: 0."`
}

type listDocument struct {
	Code    string         `yaml:"code" is:"required" doc:"Unique among the event's lists."`
	Names   partners.Names `yaml:"names" is:"required" doc:"What it is called, by language."`
	Reentry bool           `yaml:"reentry" doc:"Whether one may come in again."`
}

// readEvent reads what makes a benefit an event.
func (s benefitReader) readEvent(b *Benefit, d *eventDocument) {
	if d == nil {
		return
	}
	at := s.spot.At("event")
	if b.Kind != Event {
		at.Wrong("only a benefit of kind event has one", "make its kind event")
	}
	t := &EventTerms{
		Type: d.Type, Place: d.Place, Region: d.Region, Admission: cmp.Or(d.How, OpenToAll), NoShow: cmp.Or(d.NoShow, NoShowKeeps),
		Review: time.Duration(cmp.Or(d.Review, 72)) * time.Hour, Offer: time.Duration(cmp.Or(d.Offer, 120)) * time.Minute,
		Strikes: d.Strikes, Attended: d.Attended, Lists: make(map[string]CheckInList, len(d.Lists)),
	}
	b.Event = t
	d.Place.Check(at.At("place"))
	if _, declared := s.members.Regions[d.Region]; d.Region != "" && !declared {
		at.At("region").Wrong(fmt.Sprintf("there is no region %q", d.Region), "declare it under members, regions")
	}
	for name, count := range map[string]int64{"review_hours": d.Review, "offer_minutes": d.Offer} {
		if count < 0 || count > 10_000 {
			at.At(name).Wrong("it is not a length of time", "use 1 to 10000")
		}
	}
	s.readEventTimes(t, at, d)
	s.readParty(t, at.At("guests"), d.Guests)
	s.readCancel(t, at.At("cancel"), d.Cancel)
	s.readGates(t, at.At("lists"), d.Lists)
	if limit, declared := s.programme.Limits[d.Strikes]; d.Strikes != "" && (!declared || limit.Of != ledger.Times) {
		at.At("strikes").Wrong(fmt.Sprintf("%q is no limit of times", d.Strikes), "declare it under limits, of: times")
	}
}

func (s benefitReader) readEventTimes(t *EventTerms, at document.Spot, d *eventDocument) {
	zone := s.programme.Zone
	if d.Zone != "" {
		var err error
		if zone, err = time.LoadLocation(d.Zone); err != nil {
			at.At("zone").Wrong(fmt.Sprintf("%q is no time zone", d.Zone), "use a name such as Asia/Shanghai")
			return
		}
	}
	for name, side := range map[string]struct {
		text string
		into *time.Time
	}{"starts": {d.Starts, &t.Starts}, "ends": {d.Ends, &t.Ends}} {
		local, err := time.ParseInLocation("2006-01-02 15:04", side.text, zone)
		if err != nil {
			at.At(name).Wrong(fmt.Sprintf("%q is not a local time", side.text), "use one such as 2026-03-01 10:00")
			continue
		}
		*side.into = local
	}
	if !t.Starts.IsZero() && !t.Ends.IsZero() && !t.Starts.Before(t.Ends) {
		at.At("ends").Wrong("it is not after starts", "use a later time")
	}
}

func (s benefitReader) readParty(t *EventTerms, at document.Spot, d partyDocument) {
	t.Guests = Guests(d)
	if d.Most < 0 || d.Most > maxParty {
		at.At("most").Wrong("it is no number of guests", fmt.Sprintf("use 0 to %d", maxParty))
	}
	if d.Free < 0 || d.Free > d.Most {
		at.At("free").Wrong("it is more than a booking may bring", "use 0 to most")
	}
	for i, code := range d.Limits {
		if limit, declared := s.programme.Limits[code]; !declared || limit.Of != ledger.Times {
			at.At("limits", i).Wrong(fmt.Sprintf("%q is no limit of times", code), "declare it under limits, of: times")
		}
	}
}

const maxParty = 100

func (s benefitReader) readCancel(t *EventTerms, at document.Spot, d cancelDocument) {
	t.Cancel.Free = time.Duration(d.Free) * time.Hour
	if d.Free < 0 || d.Free > 10_000 {
		at.At("free_hours").Wrong("it is no number of hours", "use 0 to 10000")
	}
	if d.Keep == "" {
		return
	}
	keep, err := decimal.NewFromString(string(d.Keep))
	if err != nil || keep.IsNegative() || keep.GreaterThan(decimal.NewFromInt(1)) {
		at.At("keep").Wrong("it is no part of a price", `use "0" to "1", such as "0.5"`)
	}
	t.Cancel.Keep = keep
}

func (s benefitReader) readGates(t *EventTerms, at document.Spot, lists []listDocument) {
	for i, d := range lists {
		at := at.At(i)
		_, twice := t.Lists[d.Code]
		switch {
		case twice:
			at.At("code").Wrong("the list is declared twice", "give each list a code of its own")
		case !validCode.MatchString(d.Code):
			at.At("code").Wrong(fmt.Sprintf("%q is no code of a list", d.Code), codeForm)
		}
		d.Names.Check(at.At("names"))
		t.Lists[d.Code] = CheckInList{Names: d.Names, Reentry: d.Reentry}
	}
}

// checkAttended makes sure that what events earn by is an activity that needs nothing else to be said.
func (s *section) checkAttended(at document.Spot) {
	var known []string
	for code := range s.earning.Activities {
		known = append(known, code)
	}
	slices.Sort(known)
	for code, b := range s.benefits {
		if b.Event == nil || b.Event.Attended == "" {
			continue
		}
		if kind := s.earning.Activities[b.Event.Attended]; kind == nil {
			at.At(code, "event", "attended").Wrong(fmt.Sprintf("there is no activity %q", b.Event.Attended), document.Suggest(b.Event.Attended, known))
		}
	}
}
