package benefits

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"tallystick/internal/document"
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

// Values are the words that a document may use.
func (RegionLevel) Values() []string {
	words := make([]string, len(regionLevels))
	for i, level := range regionLevels {
		words[i] = string(level)
	}
	return words
}

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
	Kinds      []MemberKind `yaml:"kinds" doc:"What a member may be; none: all of them."`
	Plans      []namedCode  `yaml:"plans" doc:"The plans that members may have."`
	Segments   []namedCode  `yaml:"segments" doc:"The segments that members may be in."`
	Roles      []namedCode  `yaml:"roles" doc:"What persons may be in an organisation or a household."`
	Attributes []struct {
		namedCode `yaml:",inline"`
		Type      AttributeType `yaml:"type" is:"required" doc:"What its values are."`
	} `yaml:"attributes" doc:"Other facts of members, for conditions to name as member.code."`
	Regions []struct {
		namedCode `yaml:",inline"`
		Level     RegionLevel `yaml:"level" is:"required" doc:"How large it is."`
		In        string      `yaml:"in" doc:"The larger region that it lies in; none: it is at the top."`
	} `yaml:"regions" doc:"The tree of places."`
}

type namedCode struct {
	Code  string         `yaml:"code" is:"required" doc:"Its code: 1 to 64 letters, digits, _ . : / and -."`
	Names partners.Names `yaml:"names" is:"required" doc:"Its name in each language."`
}

func (d *membersDocument) read(at document.Spot) *MemberTerms {
	t := &MemberTerms{
		Kinds: d.Kinds, Regions: make(Regions), Attributes: make(map[string]Attribute),
		Plans: byCode(at.At("plans"), d.Plans), Segments: byCode(at.At("segments"), d.Segments), Roles: byCode(at.At("roles"), d.Roles),
	}
	if len(t.Kinds) == 0 {
		t.Kinds = []MemberKind{Person, Household, Organisation}
	}
	for i, a := range d.Attributes {
		_, twice := t.Attributes[a.Code]
		a.check(at.At("attributes", i), twice)
		t.Attributes[a.Code] = Attribute{Type: a.Type, Names: a.Names}
	}
	d.readRegions(at.At("regions"), t)
	return t
}

// readRegions adds the tree. A region lies in a larger one, so there is no circle.
func (d *membersDocument) readRegions(at document.Spot, t *MemberTerms) {
	for i, r := range d.Regions {
		_, twice := t.Regions[r.Code]
		r.check(at.At(i), twice)
		t.Regions[r.Code] = Region{Level: r.Level, In: r.In, Names: r.Names}
	}
	for i, r := range d.Regions {
		around, declared := t.Regions[r.In]
		switch {
		case r.In != "" && !declared:
			at.At(i, "in").Wrong(fmt.Sprintf("region %q is not declared", r.In), document.Suggest(r.In, slices.Sorted(maps.Keys(t.Regions))))
		case r.In != "" && slices.Index(regionLevels, around.Level) >= slices.Index(regionLevels, r.Level):
			at.At(i, "in").Wrong(fmt.Sprintf("a %s does not lie in a %s", r.Level, around.Level), "name a larger region around it")
		}
	}
	for _, r := range d.Regions { // nothing walks up a tree that is none
		if around, declared := t.Regions[r.In]; !declared || slices.Index(regionLevels, around.Level) >= slices.Index(regionLevels, r.Level) {
			t.Regions[r.Code] = Region{Level: r.Level, Names: r.Names}
		}
	}
}

func byCode(at document.Spot, list []namedCode) map[string]partners.Names {
	names := make(map[string]partners.Names, len(list))
	for i, n := range list {
		_, twice := names[n.Code]
		n.check(at.At(i), twice)
		names[n.Code] = n.Names
	}
	return names
}

// check reports a code that is none, or is taken, and the languages that the name lacks.
func (n namedCode) check(at document.Spot, twice bool) {
	switch {
	case !validCode.MatchString(n.Code):
		at.At("code").Wrong(fmt.Sprintf("%q is no code", n.Code), "use 1 to 64 letters, digits, _ . : / and -")
	case twice:
		at.At("code").Wrong(n.Code+" is declared twice", "give each a code of its own")
	}
	n.Names.Check(at.At("names"))
}
