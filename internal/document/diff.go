package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ChangeKind says what became of a value.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Change is one value in which two documents differ.
type Change struct {
	Kind ChangeKind `json:"kind"`
	Path string     `json:"path"`
	From string     `json:"from,omitempty"` // empty when it was added
	To   string     `json:"to,omitempty"`   // empty when it was removed
}

func (c Change) String() string {
	switch c.Kind {
	case Added:
		return "+ " + c.Path + ": " + c.To
	case Removed:
		return "- " + c.Path + ": " + c.From
	default:
		return "~ " + c.Path + ": " + c.From + " → " + c.To
	}
}

// Difference lists what makes one document into the other, by path. Items of a list are compared by their code or id,
// wherever they stand in it; layout and comments do not count. Both must have been decoded without a mistake; a document
// that was not read has nothing in it.
func Difference(from, to *Document) []Change {
	before, after := make(map[string]string), make(map[string]string)
	flatten(from.root, "", before)
	flatten(to.root, "", after)
	all := maps.Clone(before)
	maps.Copy(all, after)
	var changes []Change
	for _, path := range slices.Sorted(maps.Keys(all)) {
		was, had := before[path]
		is, has := after[path]
		switch {
		case !had:
			changes = append(changes, Change{Kind: Added, Path: path, To: is})
		case !has:
			changes = append(changes, Change{Kind: Removed, Path: path, From: was})
		case was != is:
			changes = append(changes, Change{Kind: Changed, Path: path, From: was, To: is})
		}
	}
	return changes
}

// flatten lists the values below a node by their path.
func flatten(n *yaml.Node, path string, into map[string]string) {
	n = resolve(n)
	switch {
	case n == nil || isNull(n):
	case n.Kind == yaml.MappingNode:
		own, merged := pairsOf(n)
		seen := make(map[string]bool)
		for _, p := range append(own, merged...) {
			if !seen[p.key.Value] {
				seen[p.key.Value] = true
				_, _, step := valueOf(nil, p.key.Value)
				flatten(p.value, strings.TrimPrefix(path+step, "."), into)
			}
		}
	case n.Kind == yaml.SequenceNode:
		flattenList(n, path, into)
	default:
		into[path] = n.Value
	}
}

// flattenList lists items by their code. A list of single values is one value, for its order may matter.
func flattenList(n *yaml.Node, path string, into map[string]string) {
	var values []string
	for i, item := range n.Content {
		item = resolve(item)
		if item.Kind == yaml.ScalarNode {
			values = append(values, item.Value)
			continue
		}
		id := IDOf(item)
		if id == "" {
			id = fmt.Sprint(i)
		}
		flatten(item, path+"["+id+"]", into)
	}
	if values != nil {
		into[path] = "[" + strings.Join(values, ", ") + "]"
	}
}
