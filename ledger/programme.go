package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"go.yaml.in/yaml/v3"
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
}

// ProgrammeID is the UUIDv5 of a programme's name.
func ProgrammeID(name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("tallystick:programme:"+name))
}

type programmeDocument struct {
	Programme   string `yaml:"programme"`
	Zone        string `yaml:"zone"`
	Sandbox     bool   `yaml:"sandbox"`
	BackDating  string `yaml:"back_dating"`
	RefundGrace string `yaml:"refund_grace"`
	Termination struct {
		KeepsVouchers bool `yaml:"keeps_vouchers"`
	} `yaml:"termination"`
	Policies map[string]Policy `yaml:"expiry"`
	Units    []struct {
		Code      string   `yaml:"code"`
		Kind      UnitKind `yaml:"kind"`
		Scale     int32    `yaml:"scale"`
		Expiry    string   `yaml:"expiry"`
		DebtLimit string   `yaml:"debt_limit"`
	} `yaml:"units"`
	Limits []Limit              `yaml:"limits"`
	Others map[string]yaml.Node `yaml:",inline"` // sections of other packages
}

// sections are those that other packages read of the same document.
var sections = map[string]bool{"tiers": true, "benefits": true, "partners": true, "members": true, "goodwill": true, "earning": true}

// DecodeDocument reads sections of a programme's document into a struct, and refuses fields that it does not declare,
// with their line: what is misspelt must not silently change what points are worth. A field map[string]yaml.Node that is
// inline takes the sections that others read.
func DecodeDocument(document []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(document))
	decoder.KnownFields(true)
	err := decoder.Decode(into)
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	}
	return err
}

// ParseProgramme reads the journal's part of a programme document: its name, zone, units and expiry policies. What the
// benefits and partners packages declare in the same document is theirs to read.
func ParseProgramme(document []byte, version int64) (*Programme, error) {
	var doc programmeDocument
	if err := DecodeDocument(document, &doc); err != nil {
		return nil, fmt.Errorf("ledger: programme document: %w", err)
	}
	for name, node := range doc.Others {
		if !sections[name] {
			return nil, fmt.Errorf("ledger: programme document: line %d: there is no section %s", node.Line, name)
		}
	}
	if doc.Programme == "" {
		return nil, errors.New("ledger: programme document: programme: give it a name")
	}
	p := &Programme{
		ID: ProgrammeID(doc.Programme), Name: doc.Programme, Version: version, Sandbox: doc.Sandbox,
		Document: document, KeepsVouchers: doc.Termination.KeepsVouchers,
		Policies: doc.Policies, Units: make(map[string]Unit, len(doc.Units)), Limits: make(map[string]Limit, len(doc.Limits)),
	}
	var err error
	if p.Zone, err = time.LoadLocation(doc.Zone); err != nil || doc.Zone == "" {
		return nil, fmt.Errorf("ledger: programme document: zone %q: use an IANA name such as Asia/Shanghai", doc.Zone)
	}
	if p.BackDating, err = days(doc.BackDating, 31); err != nil {
		return nil, fmt.Errorf("ledger: programme document: back_dating: %w", err)
	}
	if p.RefundGrace, err = days(doc.RefundGrace, 0); err != nil {
		return nil, fmt.Errorf("ledger: programme document: refund_grace: %w", err)
	}
	for name, policy := range p.Policies {
		if err := policy.validate(); err != nil {
			return nil, fmt.Errorf("ledger: programme document: expiry %s: %w", name, err)
		}
	}
	for _, u := range doc.Units {
		if u.Kind == TierUnit {
			return nil, fmt.Errorf("ledger: programme document: unit %s: a tier is declared by its ladder", u.Code)
		}
		unit := Unit{Code: u.Code, Kind: u.Kind, Scale: u.Scale, Expiry: u.Expiry, DebtLimit: maxBalance}
		if u.DebtLimit != "" {
			if unit.DebtLimit, err = decimal.NewFromString(u.DebtLimit); err != nil {
				return nil, fmt.Errorf("ledger: programme document: unit %s: debt_limit: %w", u.Code, err)
			}
		}
		if unit.Kind == LimitUnit {
			return nil, fmt.Errorf("ledger: programme document: unit %s: a limit is declared under limits", u.Code)
		}
		if err := p.declare(unit); err != nil {
			return nil, fmt.Errorf("ledger: programme document: unit %s: %w", u.Code, err)
		}
	}
	if err := p.declareTiers(doc.Others["tiers"]); err != nil {
		return nil, fmt.Errorf("ledger: programme document: tiers: %w", err)
	}
	for _, limit := range doc.Limits {
		if err := p.limit(limit); err != nil {
			return nil, fmt.Errorf("ledger: programme document: limit %s: %w", limit.Code, err)
		}
	}
	return p, nil
}

// declareTiers makes every tier of every ladder a unit. What else the section says is for others to read.
func (p *Programme) declareTiers(section yaml.Node) error {
	var groups []struct {
		Code   string `yaml:"code"`
		Ladder []struct {
			Code string `yaml:"code"`
		} `yaml:"ladder"`
	}
	if section.Kind != yaml.SequenceNode {
		return nil
	}
	if err := section.Decode(&groups); err != nil {
		return err
	}
	p.Ladders = make(map[string][]string, len(groups))
	for _, group := range groups {
		if _, twice := p.Ladders[group.Code]; twice {
			return fmt.Errorf("group %q: declared twice", group.Code)
		}
		p.Ladders[group.Code] = nil
		for _, tier := range group.Ladder {
			if err := p.declare(Unit{Code: tier.Code, Kind: TierUnit}); err != nil {
				return fmt.Errorf("tier %s: %w", tier.Code, err)
			}
			p.Ladders[group.Code] = append(p.Ladders[group.Code], tier.Code)
		}
	}
	return nil
}

func (p *Programme) declare(u Unit) error {
	_, declared := p.Units[u.Code]
	_, policy := p.Policies[u.Expiry]
	switch {
	case u.Code == "" || len(u.Code) > 64:
		return errors.New("a unit's code has 1 to 64 characters")
	case declared:
		return errors.New("declared twice")
	case u.Scale < 0 || u.Scale > maxScale:
		return errors.New("scale is 0 to 9 decimal places")
	case u.Expiry != "" && !policy:
		return fmt.Errorf("expiry policy %q is not declared", u.Expiry)
	case u.DebtLimit.IsNegative() || u.DebtLimit.GreaterThan(maxBalance):
		return errors.New("debt_limit is 0 to 1000000000000000")
	}
	switch u.Kind {
	case PointsUnit, QualifyingUnit, AllotmentUnit, RightUnit, MoneyUnit:
	case TierUnit, LimitUnit: // only declareTiers and limit declare them
	default:
		return fmt.Errorf("unknown kind %q: use points, qualifying, allotment, right or money", u.Kind)
	}
	p.Units[u.Code] = u
	return nil
}

func days(text string, otherwise int) (time.Duration, error) {
	if text == "" {
		return time.Duration(otherwise) * 24 * time.Hour, nil
	}
	number, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(number)
	if err != nil || !isDays || n < 0 || n > 36500 {
		return 0, fmt.Errorf("%q is not a number of days such as 30d", text)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}
