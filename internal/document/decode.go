package document

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Enum is a type of text that takes only some words. Its zero value is a field that is not there.
type Enum interface {
	Values() []string
}

// Decode reads the document into a struct that declares a part of it, and reports what does not have its shape: fields
// that it does not declare (what is misspelt must not silently change what points are worth), fields that are missing or
// given twice, words that an Enum does not have, and values of another type. A field map[string]yaml.Node that is inline
// takes the sections that others read. It returns whether all of it has the shape.
func (d *Document) Decode(into any) bool {
	if d.root == nil {
		return false
	}
	before := len(d.mistakes)
	err := d.root.Decode(into)
	if err != nil && !errors.As(err, new(*yaml.TypeError)) {
		d.unreadable(err)
		return false
	}
	d.check(d.root, reflect.TypeOf(into).Elem(), d.At())
	if err != nil && len(d.mistakes) == before {
		d.unreadable(err)
	}
	return len(d.mistakes) == before
}

var (
	nodeType   = reflect.TypeFor[yaml.Node]()
	yamlReader = reflect.TypeFor[yaml.Unmarshaler]()
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// check reports where a node does not have the shape of a type. The YAML library decoded it before, so aliases cannot
// make it larger than what that allows.
func (d *Document) check(n *yaml.Node, t reflect.Type, at Spot) {
	if n = resolve(n); t == nodeType || isNull(n) {
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch reads := reflect.PointerTo(t); {
	case reads.Implements(yamlReader) || reads.Implements(textReader):
		d.checkScalar(n, t, at)
	case t.Kind() == reflect.Struct:
		if isKind(n, yaml.MappingNode, at, "names with values") {
			d.checkStruct(n, t, at)
		}
	case t.Kind() == reflect.Map:
		if isKind(n, yaml.MappingNode, at, "names with values") {
			d.checkMap(n, t, at)
		}
	case t.Kind() == reflect.Slice:
		if isKind(n, yaml.SequenceNode, at, "a list") {
			for i, item := range n.Content {
				if isNull(item) {
					at.At(i).Wrong("the item is empty", "fill it in or remove it")
				}
				d.check(item, t.Elem(), at.At(i))
			}
		}
	default:
		if isKind(n, yaml.ScalarNode, at, wanted(t)) {
			d.checkScalar(n, t, at)
		}
	}
}

func isKind(n *yaml.Node, kind yaml.Kind, at Spot, want string) bool {
	if n.Kind == kind {
		return true
	}
	is := map[yaml.Kind]string{yaml.MappingNode: "names with values", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}[n.Kind]
	at.Wrong("it is "+is, "give "+want)
	return false
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a single value"
	default:
		return "a whole number"
	}
}

// wholeNumber is what an int takes; the YAML library would cut 1.5 to 1.
var wholeNumber = regexp.MustCompile(`^-?[0-9]+$`)

func (d *Document) checkScalar(n *yaml.Node, t reflect.Type, at Spot) {
	value := reflect.New(t)
	err := n.Decode(value.Interface())
	switch enum, isEnum := value.Elem().Interface().(Enum); {
	case err != nil && t.Kind() == reflect.Struct:
		at.Wrong(strings.TrimPrefix(err.Error(), "yaml: "), "see what this field takes")
	case err != nil, t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 && !wholeNumber.MatchString(n.Value):
		at.Wrong(fmt.Sprintf("%q is not %s", n.Value, wanted(t)), "give "+wanted(t))
	case isEnum && n.Value != "" && !slices.Contains(enum.Values(), n.Value):
		at.Wrong(fmt.Sprintf("there is no %q", n.Value), Suggest(n.Value, enum.Values()))
	}
}

// checkMap checks names that the document chooses itself.
func (d *Document) checkMap(n *yaml.Node, t reflect.Type, at Spot) {
	for _, p := range d.unique(n, at) {
		d.check(p.value, t.Elem(), at.At(p.key.Value))
	}
}

// checkStruct checks names that the struct declares.
func (d *Document) checkStruct(n *yaml.Node, t reflect.Type, at Spot) {
	declared, others := fieldsOf(t)
	names := make([]string, 0, len(declared))
	for _, f := range declared {
		names = append(names, f.name)
	}
	given := make(map[string]bool)
	for _, p := range d.unique(n, at) {
		i := slices.Index(names, p.key.Value)
		switch {
		case i >= 0:
			given[p.key.Value] = !isNull(p.value) && (p.value.Kind != yaml.ScalarNode || p.value.Value != "")
			d.check(p.value, declared[i].kind, at.At(p.key.Value))
		case !others:
			at.At(p.key.Value).Wrong("there is no such field here", Suggest(p.key.Value, names))
			given[nearest(p.key.Value, names)] = true // it is not missing as well
		}
	}
	for _, f := range declared {
		if f.required && !given[f.name] {
			at.At(f.name).Wrong("it is missing", "add "+f.name+": "+f.hint())
		}
	}
}

// unique are the lines of a mapping, without those whose name was there before, which are reported. What is merged in (<<)
// gives way to what the mapping has itself.
func (d *Document) unique(n *yaml.Node, at Spot) []pair {
	var list []pair
	first := make(map[string]int)
	own, merged := pairsOf(n)
	for i, p := range append(own, merged...) {
		switch line, twice := first[p.key.Value]; {
		case p.key.Kind != yaml.ScalarNode:
			d.add(p.key.Line, pathOf(at), "a name is a single value", "put no list or mapping before the colon")
		case twice && i < len(own):
			d.add(p.key.Line, pathOf(at.At(p.key.Value)), "it is given twice", fmt.Sprintf("remove one of them; the other is on line %d", line))
		case !twice:
			first[p.key.Value] = p.key.Line
			list = append(list, p)
		}
	}
	return list
}

func pathOf(s Spot) string {
	_, path := s.find()
	return path
}
