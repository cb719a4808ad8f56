package benefits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"tallystick/partners"
)

// MemberTerms is what a programme's document says that its members may be.
type MemberTerms struct {
	Kinds      []MemberKind // at least one
	Plans      map[string]partners.Names
	Segments   map[string]partners.Names
	Roles      map[string]partners.Names // in an organisation or a household
	Regions    Regions
	Attributes map[string]Attribute
}

// Attribute is a fact of a programme's own that its members may have.
type Attribute struct {
	Type  AttributeType
	Names partners.Names
}

// AttributeType is what the values of an attribute are.
type AttributeType string

// The types of attributes. Their values are a decimal.Decimal, a string and a bool.
const (
	NumberAttribute AttributeType = "number"
	TextAttribute   AttributeType = "text"
	FlagAttribute   AttributeType = "flag"
)

// Values are the words that a document may use.
func (AttributeType) Values() []string {
	return []string{string(NumberAttribute), string(TextAttribute), string(FlagAttribute)}
}

// Regions is a programme's tree of places, by code.
type Regions map[string]Region

// Region is a place in the tree. In is the region around it, empty at the top.
type Region struct {
	Level RegionLevel
	In    string
	Names partners.Names
}

// RegionLevel says how large a region is.
type RegionLevel string

// regionLevels go from the largest to the smallest. A region lies in a larger one, which need not be the next level's.
var regionLevels = []RegionLevel{"nation", "province", "city", "district", "merchant", "outlet"}

// Within reports whether a region is ancestor or lies in it.
func (r Regions) Within(region, ancestor string) bool {
	for region != ancestor {
		if region == "" {
			return false
		}
		region = r[region].In // a tree, as parse checked
	}
	return true
}

// around lists a region and all that it lies in, the smallest first.
func (r Regions) around(region string) []string {
	list := []string{}
	for ; region != ""; region = r[region].In {
		list = append(list, region)
	}
	return list
}

// under lists a region and all that lie in it, by code.
func (r Regions) under(ancestor string) []string {
	list := []string{ancestor}
	for code := range r {
		if code != ancestor && r.Within(code, ancestor) {
			list = append(list, code)
		}
	}
	slices.Sort(list)
	return list
}

// MemberTerms returns what a programme's current version says that its members may be.
func (c *Catalog) MemberTerms(ctx context.Context, programme uuid.UUID) (*MemberTerms, error) {
	_, s, err := c.current(ctx, programme)
	if err != nil {
		return nil, err
	}
	return s.members, nil
}

type membersDocument struct {
	Kinds      []MemberKind `yaml:"kinds"`
	Plans      []namedCode  `yaml:"plans"`
	Segments   []namedCode  `yaml:"segments"`
	Roles      []namedCode  `yaml:"roles"`
	Attributes []struct {
		namedCode `yaml:",inline"`
		Type      AttributeType `yaml:"type"`
	} `yaml:"attributes"`
	Regions []struct {
		namedCode `yaml:",inline"`
		Level     RegionLevel `yaml:"level"`
		In        string      `yaml:"in"`
	} `yaml:"regions"`
}

type namedCode struct {
	Code  string         `yaml:"code"`
	Names partners.Names `yaml:"names"`
}

func (d *membersDocument) parse() (*MemberTerms, error) {
	t := &MemberTerms{Kinds: d.Kinds, Regions: make(Regions), Attributes: make(map[string]Attribute)}
	if len(t.Kinds) == 0 {
		t.Kinds = []MemberKind{Person, Household, Organisation}
	}
	for _, kind := range t.Kinds {
		if !slices.Contains([]MemberKind{Person, Household, Organisation}, kind) {
			return nil, fmt.Errorf("unknown kind %q: use person, household or organisation", kind)
		}
	}
	var err error
	if t.Plans, err = byCode("plans", d.Plans); err != nil {
		return nil, err
	}
	if t.Segments, err = byCode("segments", d.Segments); err != nil {
		return nil, err
	}
	if t.Roles, err = byCode("roles", d.Roles); err != nil {
		return nil, err
	}
	for _, a := range d.Attributes {
		_, twice := t.Attributes[a.Code]
		if err := a.check(twice); err != nil {
			return nil, fmt.Errorf("attributes: %s: %w", a.Code, err)
		}
		if !slices.Contains([]AttributeType{NumberAttribute, TextAttribute, FlagAttribute}, a.Type) {
			return nil, fmt.Errorf("attributes: %s: unknown type %q: use number, text or flag", a.Code, a.Type)
		}
		t.Attributes[a.Code] = Attribute{Type: a.Type, Names: a.Names}
	}
	return t, d.regions(t)
}

// regions adds the tree. A region lies in a larger one, so there is no circle.
func (d *membersDocument) regions(t *MemberTerms) error {
	for _, r := range d.Regions {
		_, twice := t.Regions[r.Code]
		if err := r.check(twice); err != nil {
			return fmt.Errorf("regions: %s: %w", r.Code, err)
		}
		t.Regions[r.Code] = Region{Level: r.Level, In: r.In, Names: r.Names}
	}
	for _, code := range slices.Sorted(maps.Keys(t.Regions)) {
		r := t.Regions[code]
		level := slices.Index(regionLevels, r.Level)
		around, declared := t.Regions[r.In]
		switch {
		case level < 0:
			return fmt.Errorf("regions: %s: unknown level %q: use one of %v", code, r.Level, regionLevels)
		case r.In != "" && !declared:
			return fmt.Errorf("regions: %s: in %q: it is not declared", code, r.In)
		case r.In != "" && slices.Index(regionLevels, around.Level) >= level:
			return fmt.Errorf("regions: %s: in %q: a %s does not lie in a %s", code, r.In, r.Level, around.Level)
		}
	}
	return nil
}

func byCode(what string, list []namedCode) (map[string]partners.Names, error) {
	names := make(map[string]partners.Names, len(list))
	for _, n := range list {
		_, twice := names[n.Code]
		if err := n.check(twice); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", what, n.Code, err)
		}
		names[n.Code] = n.Names
	}
	return names, nil
}

func (n namedCode) check(twice bool) error {
	switch {
	case !validCode.MatchString(n.Code):
		return errors.New("its code is not 1 to 64 letters, digits, _ . : / and -")
	case twice:
		return errors.New("declared twice")
	default:
		return n.Names.Complete()
	}
}
