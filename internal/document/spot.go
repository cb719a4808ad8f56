package document

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Spot is a place in a document, there or missing.
type Spot struct {
	doc  *Document
	path []any
}

// At returns a spot of the document: a string steps into a mapping by its key, or into a list to the item whose code or
// id it is; an int into a list by its index from 0 on.
func (d *Document) At(path ...any) Spot { return Spot{doc: d, path: path} }

// At returns a spot below this one.
func (s Spot) At(path ...any) Spot {
	return Spot{doc: s.doc, path: append(slices.Clip(s.path), path...)}
}

// Wrong reports a mistake at the spot, what is wrong and what would be right, each a clause that begins in lower case.
func (s Spot) Wrong(problem, fix string) {
	line, path := s.find()
	s.doc.add(line, path, problem, fix)
}

// Failed reports an error of reading what is at the spot; nil is none. Its text may begin with steps from the spot to the
// mistake, as in "rate: per: ...", and end with what would be right, as in "...: use down or half_up".
func (s Spot) Failed(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	for step, rest, more := strings.Cut(text, ": "); more && s.At(step).there(); step, rest, more = strings.Cut(text, ": ") {
		s, text = s.At(step), rest
	}
	fix := "see what the field takes"
	if found := advice.FindStringSubmatchIndex(text); found != nil {
		text, fix = text[:found[0]], text[found[2]:]
	}
	s.Wrong(text, fix)
}

// advice is how an error's text ends that says what would be right.
var advice = regexp.MustCompile(`: ((?:use|give|say|leave|remove) [^:]*)$`)

// there reports whether the document has something at the spot.
func (s Spot) there() bool {
	n := s.doc.root
	for _, step := range s.path {
		if n == nil {
			return false
		}
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			if n.Kind == yaml.SequenceNode {
				next, _, _ = itemOf(n, step)
			} else {
				next, _, _ = valueOf(n, step)
			}
		case int:
			next, _, _ = nth(n, step)
		}
		n = resolve(next)
	}
	return n != nil
}

// Line is where the spot is in the text; where what it names is missing, it is that of the nearest thing around it.
func (s Spot) Line() int {
	line, _ := s.find()
	return line
}

// find returns the spot's line and how its path is written.
func (s Spot) find() (line int, path string) {
	n := s.doc.root
	line = 1
	for i, step := range s.path {
		var next *yaml.Node
		var at int
		var text string
		switch step := step.(type) {
		case string:
			if n != nil && n.Kind == yaml.SequenceNode {
				next, at, text = itemOf(n, step)
			} else {
				next, at, text = valueOf(n, step)
			}
		case int:
			next, at, text = nth(n, step)
		}
		if i == 0 {
			text = trimDot(text)
		}
		path += text
		n = resolve(next)
		if at > 0 {
			line = at
		}
	}
	return line, path
}

func trimDot(text string) string {
	if text != "" && text[0] == '.' {
		return text[1:]
	}
	return text
}

// valueOf finds a key of a mapping, and the line of the key.
func valueOf(n *yaml.Node, key string) (value *yaml.Node, line int, text string) {
	text = "." + key
	if !plain.MatchString(key) {
		text = fmt.Sprintf("[%s]", key)
	}
	if n == nil {
		return nil, 0, text
	}
	own, merged := pairsOf(n)
	for _, p := range append(own, merged...) {
		if p.key.Value == key {
			return p.value, p.key.Line, text
		}
	}
	return nil, 0, text
}

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

func nth(n *yaml.Node, i int) (item *yaml.Node, line int, text string) {
	text = fmt.Sprintf("[%d]", i)
	if n == nil || n.Kind != yaml.SequenceNode || i < 0 || i >= len(n.Content) {
		return nil, 0, text
	}
	item = resolve(n.Content[i])
	if id := IDOf(item); id != "" {
		text = fmt.Sprintf("[%s]", id)
	}
	return item, n.Content[i].Line, text
}

func itemOf(n *yaml.Node, id string) (item *yaml.Node, line int, text string) {
	text = fmt.Sprintf("[%s]", id)
	for _, item := range n.Content {
		if IDOf(resolve(item)) == id {
			return item, item.Line, text
		}
	}
	return nil, 0, text
}

// IDOf is the code or id of an item of a list; empty when it has none.
func IDOf(n *yaml.Node) string {
	for _, key := range [...]string{"code", "id"} {
		if value, _, _ := valueOf(n, key); value != nil {
			if value = resolve(value); value.Kind == yaml.ScalarNode && !isNull(value) {
				return value.Value
			}
		}
	}
	return ""
}

// pair is one line of a mapping.
type pair struct{ key, value *yaml.Node }

// pairsOf are the lines of a mapping: its own, and those that it merges (<<).
func pairsOf(n *yaml.Node) (own, merged []pair) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() != "!!merge" {
			own = append(own, pair{key, value})
			continue
		}
		from := []*yaml.Node{value}
		if list := resolve(value); list.Kind == yaml.SequenceNode {
			from = list.Content
		}
		for _, base := range from {
			base = resolve(base)
			for j := 0; base.Kind == yaml.MappingNode && j+1 < len(base.Content); j += 2 {
				merged = append(merged, pair{base.Content[j], base.Content[j+1]})
			}
		}
	}
	return own, merged
}
