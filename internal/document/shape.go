package document

import (
	"reflect"
	"slices"
	"strings"
)

// field is one field that a struct declares.
type field struct {
	name     string
	kind     reflect.Type
	required bool
	doc      string
}

// hint says what to write into a field.
func (f field) hint() string {
	if enum, ok := reflect.Zero(f.kind).Interface().(Enum); ok {
		return oneOf(enum.Values())
	}
	if f.doc != "" {
		return strings.ToLower(f.doc[:1]) + strings.TrimSuffix(f.doc[1:], ".")
	}
	return wanted(f.kind)
}

// fieldsOf are the fields that a struct declares, and whether it takes others beside them.
func fieldsOf(t reflect.Type) (list []field, others bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() && !f.Anonymous || name == "-":
		case options == "inline" && f.Type.Kind() == reflect.Map:
			others = true
		case options == "inline":
			inner, open := fieldsOf(f.Type)
			list, others = append(list, inner...), others || open
		default:
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			list = append(list, field{name: name, kind: f.Type, required: f.Tag.Get("is") == "required", doc: f.Tag.Get("doc")})
		}
	}
	return list, others
}

// Suggest says what would be right in place of a word that is not known: the nearest of those that are, or all of them.
func Suggest(word string, known []string) string {
	if len(known) == 0 {
		return "remove it"
	}
	if meant := nearest(word, known); meant != "" {
		return "use " + meant
	}
	return "use " + oneOf(known)
}

// nearest is the known word that is probably meant; empty when none is near.
func nearest(word string, known []string) string {
	best := slices.MinFunc(known, func(a, b string) int { return distance(word, a) - distance(word, b) })
	if d := distance(word, best); d <= 2 && d < len(word) || len(word) > 3 && strings.HasPrefix(best, word) {
		return best
	}
	return ""
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	const most = 20
	if len(words) > most {
		return strings.Join(words[:most], ", ") + " and so on"
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// distance is how many letters have to be inserted, removed, replaced or swapped with the next to turn a into b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	const long = 64
	if len(x) > long || len(y) > long {
		return long
	}
	var before, last, row [long + 1]int
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1) //nolint:gosec // j > 1 here
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
