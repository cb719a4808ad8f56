package benefits

import (
	"regexp"

	"go.yaml.in/yaml/v3"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

// section is what this package reads of one version of a programme's document.
type section struct {
	tiers Groups
	// allotments are in the order of the document.
	allotments []*Allotment
	benefits   map[string]*Benefit
	codes      []string // of the benefits, sorted
	spent      []string // the units of points, qualifying points and allotments, sorted
	members    *MemberTerms
	metrics    map[string]*Metric
	earning    *Earning
	goodwill   map[string]*GoodwillReason
	lounges    map[string]*LoungeSite
	agreements partners.Agreements
	// goodwillUnit is what budgets are of; empty without any reason to grant.
	goodwillUnit string
}

type benefitsDocument struct {
	Metrics    []metricDocument     `yaml:"metrics" doc:"What is measured of members elsewhere, and reported."`
	Tiers      []tierGroupDocument  `yaml:"tiers" doc:"The ladders of status levels of members."`
	Allotments []allotmentDocument  `yaml:"allotments" doc:"The uses that tiers give in each period."`
	Benefits   []benefitDocument    `yaml:"benefits" doc:"What members can have."`
	Members    membersDocument      `yaml:"members" doc:"What members may be."`
	Earning    earningDocument      `yaml:"earning" doc:"What members do to earn, and the rules by which they do."`
	Goodwill   goodwillDocument     `yaml:"goodwill" doc:"What staff may give away out of their budgets."`
	Lounges    []loungeDocument     `yaml:"lounges" doc:"The directory of lounges."`
	Others     map[string]yaml.Node `yaml:",inline"`
}

// parse reads the tiers and benefits sections of a programme's document. The error is a *document.InvalidError.
func parse(p *ledger.Programme) (*section, error) {
	doc := document.Read(p.Document)
	s := read(doc, p)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// read is parse for a document that others read as well: it reports mistakes to the document. Without a programme, which
// could not be read then, it checks the shape alone.
func read(doc *document.Document, p *ledger.Programme) *section {
	var d benefitsDocument
	shaped := doc.Decode(&d)
	agreements := partners.Read(doc, p)
	if !shaped || p == nil || agreements == nil {
		return nil
	}
	s := &section{
		benefits: make(map[string]*Benefit), lounges: make(map[string]*LoungeSite), agreements: agreements,
	}
	s.members = d.Members.read(doc.At("members"))
	s.readMetrics(doc.At("metrics"), d.Metrics)
	s.readTierGroups(doc.At("tiers"), p, d.Tiers)
	for i, allotment := range d.Allotments {
		s.addAllotment(doc.At("allotments", i), p, &allotment)
	}
	for i, lounge := range d.Lounges {
		s.addLounge(doc.At("lounges", i), agreements, &lounge)
	}
	for i, benefit := range d.Benefits {
		benefitReader{s, p, doc.At("benefits", i)}.add(&benefit)
	}
	s.codes = sortedKeys(s.benefits)
	for _, code := range sortedKeys(p.Units) {
		switch p.Units[code].Kind {
		case ledger.PointsUnit, ledger.QualifyingUnit, ledger.AllotmentUnit:
			s.spent = append(s.spent, code)
		default:
		}
	}
	s.readEarning(doc.At("earning"), p, agreements, d.Earning)
	s.checkAttended(doc.At("benefits"))
	s.readGoodwill(doc.At("goodwill"), p, d.Goodwill)
	return s
}

func (s *section) readEarning(at document.Spot, p *ledger.Programme, agreements partners.Agreements, d earningDocument) {
	s.earning = &Earning{Activities: make(map[string]*ActivityKind), regions: s.members.Regions}
	e := earningSection{Earning: s.earning, programme: p, partners: agreements, members: s.members, tiers: s.tiers.codes()}
	for i, activity := range d.Activities {
		e.addActivity(at.At("activities", i), activity)
	}
	for i, rule := range d.Rules {
		e.addRule(at.At("rules", i), rule)
	}
}

// These are what the API takes, for what comes by file.
var (
	validKey    = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)
	validMember = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

	validChannel   = regexp.MustCompile(`^[a-z0-9_-]{0,32}$`)
	validReference = regexp.MustCompile(`^[!-~]{0,128}$`)
	validText      = regexp.MustCompile(`^[^\p{Cc}\x{061C}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}]{0,256}$`)
)
