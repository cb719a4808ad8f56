package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"tallystick/internal/document"
)

// Programme is the part of a programme's document that the journal needs: one immutable version of it.
type Programme struct {
	ID       uuid.UUID
	Name     string
	Version  int64
	Sandbox  bool
	Zone     *time.Location
	Units    map[string]Unit
	Policies map[string]Policy
	// Ladders are the tiers of each tier group, lowest first. Each is a unit of its own.
	Ladders map[string][]string
	Limits  map[string]Limit
	// Document is the whole document that this was read from; other packages read sections of their own in it.
	Document []byte
	// BackDating is how far effective_at may lie before recorded_at; a sandbox has no limit.
	BackDating time.Duration
	// RefundGrace is how long a lot lives at least when a reversal brings it back after it expired; zero lets it expire
	// again at once.
	RefundGrace time.Duration
	// KeepsVouchers says that a member's open vouchers outlive the membership; else they are forfeited with the rest.
	KeepsVouchers bool
	// ExpiryNotice is how long before it expires a member is told what will; zero tells nothing.
	ExpiryNotice time.Duration
}

// ProgrammeID is the UUIDv5 of a programme's name.
func ProgrammeID(name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("tallystick:programme:"+name))
}

type programmeDocument struct {
	Programme   string            `yaml:"programme" is:"required" doc:"The programme's name, which identifies it for ever."`
	Zone        string            `yaml:"zone" is:"required" doc:"The IANA time zone of its calendar, such as Asia/Shanghai."`
	Sandbox     bool              `yaml:"sandbox" doc:"Whether its clock is moved by hand. Decided once, when it is first applied."`
	BackDating  string            `yaml:"back_dating" doc:"How far effective_at may lie back, such as 31d, the default."`
	RefundGrace string            `yaml:"refund_grace" doc:"How long a lot lives at least that a reversal brings back after it expired, such as 30d."`
	Notice      string            `yaml:"expiry_notice" doc:"How long before units expire their member is told, such as 30d; none: no notice."`
	Policies    map[string]Policy `yaml:"expiry" doc:"Expiry policies by name."`
	Units       []unitDocument    `yaml:"units" doc:"What is counted. A unit that was applied once is never removed."`
	Limits      []limitDocument   `yaml:"limits" doc:"How much a member or the programme may get of something in an interval."`
	Termination struct {
		KeepsVouchers bool `yaml:"keeps_vouchers" doc:"Whether vouchers live on when their member's membership ends."`
	} `yaml:"termination" doc:"How a membership ends."`

	Others map[string]yaml.Node `yaml:",inline"` // sections of other packages
}

type unitDocument struct {
	Code      string          `yaml:"code" is:"required" doc:"1 to 64 characters, unique among the units."`
	Kind      UnitKind        `yaml:"kind" is:"required" doc:"What the unit counts."`
	Scale     int32           `yaml:"scale" doc:"Decimal places, 0 to 9."`
	Expiry    string          `yaml:"expiry" doc:"The expiry policy of what is accrued; none: it never expires."`
	DebtLimit document.Amount `yaml:"debt_limit" doc:"How far below zero a clawback may take a member; none: no limit."`
}

// sections are those that other packages read of the same document.
var sections = []string{"tiers", "allotments", "benefits", "partners", "members", "goodwill", "earning", "lounges", "metrics"}

// ParseProgramme reads the journal's part of a programme document: its name, zone, units and expiry policies. What the
// benefits and partners packages declare in the same document is theirs to read. The error is a *document.InvalidError.
func ParseProgramme(text []byte, version int64) (*Programme, error) {
	doc := document.Read(text)
	p := ReadProgramme(doc, version)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// declareTiers makes every tier of every ladder a unit. What else the section says is for others to read.
func (p *Programme) declareTiers(at document.Spot, section yaml.Node) {
	var groups []struct {
		Code   string `yaml:"code"`
		Ladder []struct {
			Code string `yaml:"code"`
		} `yaml:"ladder"`
	}
	if section.IsZero() || section.Decode(&groups) != nil {
		return // who reads the rest of it says what is wrong with its shape
	}
	p.Ladders = make(map[string][]string, len(groups))
	for i, group := range groups {
		if _, twice := p.Ladders[group.Code]; twice {
			at.At(i, "code").Wrong("the group is declared twice", "give each group a code of its own")
			continue
		}
		p.Ladders[group.Code] = nil
		for j, tier := range group.Ladder {
			if unit, twice := p.Units[tier.Code]; twice {
				what := map[bool]string{true: "the tier is declared twice", false: "a unit has this code, and a tier is a unit"}[unit.Kind == TierUnit]
				at.At(i, "ladder", j, "code").Wrong(what, "give each tier a code of its own")
				continue
			}
			p.Units[tier.Code] = Unit{Code: tier.Code, Kind: TierUnit}
			p.Ladders[group.Code] = append(p.Ladders[group.Code], tier.Code)
		}
	}
}

// ReadProgramme is ParseProgramme for a document that others read as well: it reports mistakes to the document. What it
// returns is whole when there is none, nil when the shape is wrong, and otherwise good for checking the other sections.
func ReadProgramme(doc *document.Document, version int64) *Programme {
	var d programmeDocument
	shaped := doc.Decode(&d)
	for name := range d.Others {
		if !slices.Contains(sections, name) {
			known := append([]string{"programme", "zone", "sandbox", "back_dating", "refund_grace", "expiry_notice", "expiry", "units", "limits", "termination"}, sections...)
			doc.At(name).Wrong("there is no section "+name, document.Suggest(name, known))
			shaped = false
		}
	}
	if !shaped {
		return nil
	}
	p := &Programme{
		ID: ProgrammeID(d.Programme), Name: d.Programme, Version: version, Sandbox: d.Sandbox,
		Document: doc.Text(),
		Policies: d.Policies, Units: make(map[string]Unit, len(d.Units)), Limits: make(map[string]Limit, len(d.Limits)),
		KeepsVouchers: d.Termination.KeepsVouchers,
		BackDating:    days(doc.At("back_dating"), d.BackDating, 31),
		RefundGrace:   days(doc.At("refund_grace"), d.RefundGrace, 0),
		ExpiryNotice:  days(doc.At("expiry_notice"), d.Notice, 0),
	}
	var err error
	if p.Zone, err = time.LoadLocation(d.Zone); err != nil {
		doc.At("zone").Wrong(fmt.Sprintf("%q is no time zone", d.Zone), "use an IANA name such as Asia/Shanghai")
	}
	for name, policy := range p.Policies {
		policy.check(doc.At("expiry", name))
	}
	for i, u := range d.Units {
		p.declare(doc.At("units", i), u)
	}
	p.declareTiers(doc.At("tiers"), d.Others["tiers"])
	for i, limit := range d.Limits {
		p.limit(doc.At("limits", i), limit)
	}
	return p
}

// declare adds a unit to the programme; with mistakes too, so that what refers to it is not reported as well.
func (p *Programme) declare(at document.Spot, d unitDocument) {
	u := Unit{Code: d.Code, Kind: d.Kind, Scale: d.Scale, Expiry: d.Expiry, DebtLimit: maxBalance}
	if _, twice := p.Units[u.Code]; twice {
		at.At("code").Wrong("the unit is declared twice", "give each unit a code of its own")
	}
	if len(u.Code) > 64 {
		at.At("code").Wrong("it is too long", "use 1 to 64 characters")
	}
	if u.Scale < 0 || u.Scale > maxScale {
		at.At("scale").Wrong(fmt.Sprintf("%d is no number of decimal places", u.Scale), "use 0 to 9")
	}
	if _, declared := p.Policies[u.Expiry]; u.Expiry != "" && !declared {
		known := slices.Sorted(maps.Keys(p.Policies))
		at.At("expiry").Wrong(fmt.Sprintf("there is no expiry policy %q", u.Expiry), document.Suggest(u.Expiry, known))
	}
	if d.DebtLimit != "" {
		limit, ok := d.DebtLimit.Decimal()
		if !ok || limit.GreaterThan(maxBalance) {
			at.At("debt_limit").Wrong(fmt.Sprintf("%q is no limit", d.DebtLimit), "use 0 to "+maxBalance.String())
		}
		u.DebtLimit = limit
	}
	p.Units[u.Code] = u
}

// days reads a number of days such as 30d.
func days(at document.Spot, text string, otherwise int) time.Duration {
	if text == "" {
		return time.Duration(otherwise) * 24 * time.Hour
	}
	number, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(number)
	if err != nil || !isDays || n < 0 || n > 36500 {
		at.Wrong(fmt.Sprintf("%q is no number of days", text), "use a number of days such as 30d, at most 36500d")
		return 0
	}
	return time.Duration(n) * 24 * time.Hour
}

// Shape declares the sections that ParseProgramme reads, for document.Schema.
func Shape() any { return programmeDocument{} }
