package benefits

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"tallystick/internal/document"
	"tallystick/partners"
)

type loungeDocument struct {
	Code      string            `yaml:"code" is:"required" doc:"Unique among the lounges."`
	Kind      LoungeKind        `yaml:"kind" is:"required" doc:"What sort of place it is."`
	Names     partners.Names    `yaml:"names" is:"required" doc:"What it is called, by language."`
	Station   string            `yaml:"station" is:"required" doc:"The code of the airport or railway station, such as CAN."`
	Terminal  string            `yaml:"terminal" doc:"The terminal; none where there is one only."`
	Region    string            `yaml:"region" doc:"The region in which it lies."`
	Operator  string            `yaml:"operator" is:"required" doc:"The partner that runs it."`
	Open      []openingDocument `yaml:"open" doc:"The days and hours at which it is open; none: always."`
	Guests    int               `yaml:"guests" doc:"The most guests that a member may bring to a visit; none: no guests are let in."`
	Amenities partners.Names    `yaml:"amenities" doc:"What there is, by language."`
}

type entryDocument struct {
	Lounges []string        `yaml:"lounges" doc:"The lounges that it lets into."`
	Regions []string        `yaml:"regions" doc:"It lets into the lounges that lie in one of them."`
	Kinds   []LoungeKind    `yaml:"kinds" doc:"The kinds of lounge that it lets into; none: all."`
	Guests  *guestsDocument `yaml:"guests" doc:"What guests cost; none: no guests."`
	Days    int             `yaml:"days" doc:"How many days a visit waits for the operator's report; none: 30."`
}

type guestsDocument struct {
	Most   int                        `yaml:"most" is:"required" doc:"How many guests a visit may have at the most."`
	Free   int                        `yaml:"free" doc:"How many guests of a visit cost nothing."`
	Prices map[string]document.Amount `yaml:"prices" doc:"What each further guest costs, by unit: uses of an allotment, points, or money."`
}

const (
	maxGuests   = 20
	maxDays     = 365
	defaultDays = 30
)

// validStation is the form of IATA codes, and of the railways' telegraph codes.
var validStation = regexp.MustCompile(`^[A-Z]{3}$`)

// addLounge adds a lounge, with mistakes too, so that what refers to it is not reported as well.
func (s *section) addLounge(at document.Spot, agreements partners.Agreements, d *loungeDocument) {
	l := &LoungeSite{
		Code: d.Code, Kind: d.Kind, Names: d.Names, Station: d.Station, Terminal: d.Terminal, Region: d.Region, Operator: d.Operator,
		Guests: d.Guests, Amenities: d.Amenities,
	}
	switch {
	case s.lounges[d.Code] != nil:
		at.At("code").Wrong("the lounge is declared twice", "give each lounge a code of its own")
	case !validCode.MatchString(d.Code):
		at.At("code").Wrong(fmt.Sprintf("%q is no code of a lounge", d.Code), codeForm)
	}
	if !validStation.MatchString(d.Station) {
		at.At("station").Wrong(fmt.Sprintf("%q is no code of a station", d.Station), "use the three capital letters of the airport or station, such as CAN")
	}
	if agreements[d.Operator] == nil {
		at.At("operator").Wrong(fmt.Sprintf("there is no partner %q", d.Operator), document.Suggest(d.Operator, slices.Sorted(maps.Keys(agreements))))
	}
	if d.Region != "" {
		s.knowsRegion(at.At("region"), d.Region)
	}
	if d.Guests < 0 || d.Guests > maxGuests {
		at.At("guests").Wrong(fmt.Sprintf("%d guests", d.Guests), fmt.Sprintf("use 0 to %d", maxGuests))
	}
	for i, open := range d.Open {
		hours, err := open.parse()
		at.At("open", i).Failed(err)
		l.Hours = append(l.Hours, hours)
	}
	d.Names.Check(at.At("names"))
	if len(d.Amenities) > 0 {
		d.Amenities.Check(at.At("amenities"))
	}
	s.lounges[d.Code] = l
}

func (s *section) knowsRegion(at document.Spot, region string) {
	if _, declared := s.members.Regions[region]; !declared {
		at.Wrong(fmt.Sprintf("there is no region %q", region), document.Suggest(region, slices.Sorted(maps.Keys(s.members.Regions))))
	}
}

// readEntry reads where a benefit lets members in.
func (s benefitReader) readEntry(b *Benefit, d *entryDocument) {
	if d == nil {
		return
	}
	at := s.spot.At("entry")
	if b.Kind != Lounge {
		at.Wrong(fmt.Sprintf("a benefit of kind %s lets into no lounge", b.Kind), "remove it, or make the benefit one of kind lounge")
	}
	if len(d.Lounges)+len(d.Regions) == 0 {
		at.Wrong("it lets into no lounge", "give lounges, or the regions in which they lie")
	}
	for i, code := range d.Lounges {
		if s.lounges[code] == nil {
			at.At("lounges", i).Wrong(fmt.Sprintf("there is no lounge %q", code), document.Suggest(code, slices.Sorted(maps.Keys(s.lounges))))
		}
	}
	for i, region := range d.Regions {
		s.knowsRegion(at.At("regions", i), region)
	}
	if d.Days < 0 || d.Days > maxDays {
		at.At("days").Wrong(fmt.Sprintf("%d days", d.Days), fmt.Sprintf("use 1 to %d", maxDays))
	}
	b.Entry = &Entry{Lounges: d.Lounges, Regions: d.Regions, Kinds: d.Kinds, Days: cmp.Or(d.Days, defaultDays)}
	if d.Guests != nil {
		b.Entry.Guests = s.readGuests(at.At("guests"), d.Guests)
	}
	s.checkOperators(at, b)
}

func (s benefitReader) readGuests(at document.Spot, d *guestsDocument) GuestTerms {
	if d.Most < 1 || d.Most > maxGuests {
		at.At("most").Wrong(fmt.Sprintf("%d guests", d.Most), fmt.Sprintf("use 1 to %d", maxGuests))
	}
	if d.Free < 0 || d.Free > d.Most {
		at.At("free").Wrong(fmt.Sprintf("%d guests are free of %d", d.Free, d.Most), "use no more than most")
	}
	if d.Free < d.Most && len(d.Prices) == 0 {
		at.At("prices").Wrong("guests beyond the free ones have no price", "give one in uses of an allotment, points or money, or make all of them free")
	}
	var of Benefit
	s.pricesFor(&of, at.At("prices"), "", d.Prices)
	s.sortPrices(&of, defaultOrder)
	return GuestTerms{Most: d.Most, Free: d.Free, Prices: of.Prices}
}

// checkOperators makes sure that whoever runs a lounge honours what lets in, since visits are reported and owed by that.
func (s benefitReader) checkOperators(at document.Spot, b *Benefit) {
	for _, code := range slices.Sorted(maps.Keys(s.lounges)) {
		site := s.lounges[code]
		operator := s.agreements[site.Operator]
		if operator == nil || !s.lets(b, site) {
			continue
		}
		if _, honoured := operator.Honours[b.Code]; !honoured {
			at.Wrong(fmt.Sprintf("%s, which runs %s, does not honour it", site.Operator, code), "add the benefit under partners, "+site.Operator+", honours")
		}
	}
}
