// Package document reads a programme's document, and says of every mistake in it on which line it is and what would be
// right.
//
// A document is YAML that several packages read, each its own sections, into structs that declare its shape: the yaml
// tags are the names, doc tags say what a field means, is:"required" that it must be there, and a type that is an Enum
// lists the words that it takes. Decode checks a document against such a struct; what a shape cannot say is reported with
// At and Wrong:
//
//	doc.At("tiers", "ladder", i, "from").Wrong("it is not above the tier before it", "use more than 500")
//
// Mistakes are collected, so that one attempt shows all of them. Err returns them.
package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Document is a document that is being read, with the mistakes found so far. It is not safe for concurrent use.
type Document struct {
	text     []byte
	root     *yaml.Node // nil when the text is no YAML
	mistakes []Mistake
}

// Mistake is one thing that is wrong in a document.
type Mistake struct {
	Line    int    // from 1 on
	Path    string // such as tiers.ladder[gold].from; empty for the document as a whole
	Problem string // what is wrong
	Fix     string // what would be right
}

func (m Mistake) String() string {
	text := fmt.Sprintf("line %d: ", m.Line)
	if m.Path != "" {
		text += m.Path + ": "
	}
	return text + m.Problem + "; " + m.Fix
}

// InvalidError is a document that cannot be used: all the mistakes that were found, by line.
type InvalidError struct {
	Mistakes []Mistake
}

func (e *InvalidError) Error() string {
	if len(e.Mistakes) == 1 {
		return "programme document: " + e.Mistakes[0].String()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "programme document: %d mistakes", len(e.Mistakes))
	for _, m := range e.Mistakes {
		text.WriteString("\n  " + m.String())
	}
	return text.String()
}

// Read reads a document's text. When it is no YAML, that is its mistake, and Decode adds none.
func Read(text []byte) *Document {
	d := &Document{text: text}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root, second yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF) || err == nil && isNull(&root):
		d.add(1, "", "it is empty", "begin with programme: and a name")
		return d
	case err != nil:
		d.unreadable(err)
		return d
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		d.root = resolve(&root)
	case err != nil:
		d.unreadable(err)
	default:
		d.add(second.Line, "", "a second document begins here", "put everything into one, without ---")
	}
	return d
}

// Text is what was read.
func (d *Document) Text() []byte { return d.text }

// Err returns an *InvalidError with every mistake that was found, by line; nil when there is none.
func (d *Document) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	list := slices.Clone(d.mistakes)
	slices.SortStableFunc(list, func(a, b Mistake) int { return a.Line - b.Line })
	return &InvalidError{Mistakes: list}
}

const (
	maxMistakes = 100
	maxWords    = 400 // of a problem or a fix: either may quote the document
)

func (d *Document) add(line int, path, problem, fix string) {
	m := Mistake{Line: max(line, 1), Path: cut(path), Problem: cut(problem), Fix: cut(fix)}
	if len(d.mistakes) < maxMistakes && !slices.Contains(d.mistakes, m) {
		d.mistakes = append(d.mistakes, m)
	}
}

func cut(text string) string {
	if len(text) <= maxWords {
		return text
	}
	return strings.ToValidUTF8(text[:maxWords], "") + "…"
}

// atLine is how the YAML library begins an error that it knows the line of.
var atLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// parsing tells what the library's parser says, which counts lines from 0 on, from what its scanner says.
var parsing = regexp.MustCompile(`did not find expected (<|node content|'-' indicator|key|',' or)|found undefined tag handle`)

// unreadable reports what the YAML library says.
func (d *Document) unreadable(err error) {
	texts := []string{err.Error()}
	if wrong := new(yaml.TypeError); errors.As(err, &wrong) {
		texts = wrong.Errors
	}
	for _, text := range texts {
		found := atLine.FindStringSubmatch(text)
		line, _ := strconv.Atoi(found[1]) // none: the first
		if parsing.MatchString(text) {
			line++
		}
		fix := "write valid YAML: look at the indentation, the colons and the quotes here and on the line before"
		if strings.Contains(text, "cannot start any token") {
			fix = "indent with spaces, not with tabs, and quote what begins with @, ` or %"
		}
		d.add(line, "", strings.TrimPrefix(text, found[0]), fix)
	}
}

// resolve goes through aliases, and from a document to what is in it.
func resolve(n *yaml.Node) *yaml.Node {
	for depth := 0; n != nil && depth < 100; depth++ {
		switch {
		case n.Kind == yaml.AliasNode:
			n = n.Alias
		case n.Kind == yaml.DocumentNode && len(n.Content) > 0:
			n = n.Content[0]
		default:
			return n
		}
	}
	return n
}

func isNull(n *yaml.Node) bool {
	n = resolve(n)
	return n == nil || n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
