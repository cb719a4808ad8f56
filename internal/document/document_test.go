package document_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tallystick/internal/document"
)

type colour string

func (colour) Values() []string { return []string{"red", "green"} }

type shape struct {
	Name   string            `yaml:"name" is:"required" doc:"What it is called."`
	Large  bool              `yaml:"large"`
	Count  int               `yaml:"count"`
	Colour colour            `yaml:"colour"`
	Prices map[string]string `yaml:"prices"`
	Items  []struct {
		Code string          `yaml:"code" is:"required"`
		From document.Amount `yaml:"from"`
		Tags []string        `yaml:"tags"`
	} `yaml:"items"`
}

func mistakes(t *testing.T, err error) []document.Mistake {
	t.Helper()
	if err == nil {
		return nil
	}
	invalid := new(document.InvalidError)
	if !errors.As(err, &invalid) {
		t.Fatalf("not an InvalidError: %v", err)
	}
	return invalid.Mistakes
}

func told(t *testing.T, err error) []string {
	t.Helper()
	var list []string
	for _, m := range mistakes(t, err) {
		list = append(list, m.String())
	}
	return list
}

func TestAMistakeOfShapeNamesItsLineAndWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	const valid = "write valid YAML: look at the indentation, the colons and the quotes here and on the line before"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nothing":   {"", []string{"line 1: it is empty; begin with programme: and a name"}},
		"a comment": {"# x\n", []string{"line 1: it is empty; begin with programme: and a name"}},
		"null":      {"~\n", []string{"line 1: it is empty; begin with programme: and a name"}},
		"a list":    {"- x\n", []string{"line 1: it is a list; give names with values"}},
		"good":      {"name: x\nlarge: true\ncount: 3\ncolour: red\nprices: {a: 1}\nitems: [{code: a, from: 1}]\n", nil},
		"misspelt":  {"name: x\nprizes: {}\n", []string{"line 2: prizes: there is no such field here; use prices"}},
		"unknown": {"name: x\nwhatever: 1\n", []string{
			"line 2: whatever: there is no such field here; use name, large, count, colour, prices or items",
		}},
		"missing":    {"large: true\n", []string{"line 1: name: it is missing; add name: what it is called"}},
		"empty":      {"large: true\nname: ''\n", []string{"line 2: name: it is missing; add name: what it is called"}},
		"twice":      {"name: x\nname: y\n", []string{"line 2: name: it is given twice; remove one of them; the other is on line 1"}},
		"key twice":  {"name: x\nprices:\n  a: 1\n  a: 2\n", []string{"line 4: prices.a: it is given twice; remove one of them; the other is on line 3"}},
		"no number":  {"name: x\ncount: many\n", []string{`line 2: count: "many" is not a whole number; give a whole number`}},
		"fraction":   {"name: x\ncount: 1.5\n", []string{`line 2: count: "1.5" is not a whole number; give a whole number`}},
		"no bool":    {"name: x\nlarge: very\n", []string{`line 2: large: "very" is not true or false; give true or false`}},
		"no word":    {"name: x\ncolour: rde\n", []string{`line 2: colour: there is no "rde"; use red`}},
		"no list":    {"name: x\nitems: {a: 1}\n", []string{"line 2: items: it is names with values; give a list"}},
		"no mapping": {"name: x\nprices: [1]\n", []string{"line 2: prices: it is a list; give names with values"}},
		"no value":   {"name: [x]\n", []string{"line 1: name: it is a list; give a single value"}},
		"no item":    {"name: x\nitems:\n  - code: a\n  -\n", []string{"line 4: items[1]: the item is empty; fill it in or remove it"}},
		"in an item": {"name: x\nitems:\n  - {code: a}\n  - code: b\n    form: 3\n", []string{
			"line 5: items[b].form: there is no such field here; use from",
		}},
		"complex key": {"name: x\nprices:\n  ? [a]\n  : 1\n", []string{
			"line 3: prices: a name is a single value; put no list or mapping before the colon",
		}},
		"all of them": {"count: x\nlarge: very\nname: z\nitems:\n  - from: 3\n", []string{
			`line 1: count: "x" is not a whole number; give a whole number`,
			`line 2: large: "very" is not true or false; give true or false`,
			"line 5: items[0].code: it is missing; add code: a single value",
		}},
		"merged": {"name: x\nitems:\n  - &a {code: a, from: 1}\n  - {<<: *a, code: b}\n  - {<<: *a, codes: b}\n", []string{
			"line 5: items[a].codes: there is no such field here; use code",
		}},
		"two documents": {"name: x\n---\nname: y\n", []string{
			"line 2: a second document begins here; put everything into one, without ---",
		}},
		"tabs": {"name: x\nprices:\n\ta: 1\n", []string{
			"line 3: found character that cannot start any token; indent with spaces, not with tabs, and quote what begins with @, ` or %",
		}},
		"no YAML": {"name: x\nprices: {a: 1\ncount: 2\n", []string{"line 2: did not find expected ',' or '}'; " + valid}},
		"no key":  {"name: x\nprices:\n  a: 1\n b: 2\n", []string{"line 4: did not find expected key; " + valid}},
		"itself": {"name: x\nitems: &a\n  - {tags: *a, code: b}\n", []string{
			"line 3: items[b].tags[b]: it is names with values; give a single value",
		}},
	} {
		d := document.Read([]byte(c.text))
		shaped := d.Decode(new(shape))
		if diff := cmp.Diff(c.want, told(t, d.Err())); diff != "" || shaped != (c.want == nil) {
			t.Errorf("%s: shaped %t (-want +got):\n%s", name, shaped, diff)
		}
	}
}

func TestASpotIsFoundByKeyCodeAndIndex(t *testing.T) {
	t.Parallel()
	const text = "tiers:\n  ladder:\n    - {code: silver}\n    - code: gold\n      names: {zh-Hans: 金}\nstock:\n  2027/spring: 5\n"
	for want, path := range map[document.Mistake][]any{
		{Line: 1}:                             {},
		{Line: 1, Path: "tiers"}:              {"tiers"},
		{Line: 4, Path: "tiers.ladder[gold]"}: {"tiers", "ladder", 1},
		{Line: 5, Path: "tiers.ladder[gold].names.zh-Hans"}: {"tiers", "ladder", "gold", "names", "zh-Hans"},
		{Line: 4, Path: "tiers.ladder[gold].from"}:          {"tiers", "ladder", "gold", "from"},
		{Line: 2, Path: "tiers.ladder[7].from"}:             {"tiers", "ladder", 7, "from"},
		{Line: 2, Path: "tiers.ladder[lead]"}:               {"tiers", "ladder", "lead"},
		{Line: 7, Path: "stock[2027/spring]"}:               {"stock", "2027/spring"},
		{Line: 1, Path: "partners[0]"}:                      {"partners", 0},
	} {
		d := document.Read([]byte(text))
		if got := d.At(path...).Line(); got != want.Line {
			t.Errorf("%v is on line %d, want %d", path, got, want.Line)
		}
		want.Problem, want.Fix = "wrong", "right"
		d.At().At(path...).Wrong("wrong", "right")
		if diff := cmp.Diff([]document.Mistake{want}, mistakes(t, d.Err())); diff != "" {
			t.Errorf("%v (-want +got):\n%s", path, diff)
		}
	}
}

func TestMistakesAreToldByLineAndOnce(t *testing.T) {
	t.Parallel()
	d := document.Read([]byte("a: 1\nb: 2\n"))
	d.At("b").Wrong("it is wrong", "use 3")
	d.At("a").Wrong("it is wrong", "use 4")
	d.At("b").Wrong("it is wrong", "use 3")
	const want = "programme document: 2 mistakes\n  line 1: a: it is wrong; use 4\n  line 2: b: it is wrong; use 3"
	if got := d.Err().Error(); got != want {
		t.Errorf("got %q", got)
	}
}

func TestMistakesAreBoundedWhateverADocumentHolds(t *testing.T) {
	t.Parallel()
	text := "name: x\n" + strings.Repeat("a", 1000) + ": 1\n"
	for i := range 2000 {
		text += strings.Repeat("c", i%50+1) + strings.Repeat("d", i/50+1) + ": 1\n"
	}
	d := document.Read([]byte(text))
	d.Decode(new(shape))
	list := mistakes(t, d.Err())
	if len(list) != 100 {
		t.Errorf("%d mistakes", len(list))
	}
	for _, m := range list {
		if len(m.Path) > 410 || len(m.Problem) > 410 || len(m.Fix) > 410 {
			t.Errorf("a mistake of %d, %d and %d bytes", len(m.Path), len(m.Problem), len(m.Fix))
		}
	}
}

func TestExcessiveAliasesAreAMistake(t *testing.T) {
	t.Parallel()
	text := "name: x\nitems:\n  - &a {code: a, tags: [" + strings.Repeat("x,", 1000) + "x]}\n" + strings.Repeat("  - *a\n", 5000)
	d := document.Read([]byte(text))
	d.Decode(new(shape))
	if list := mistakes(t, d.Err()); len(list) != 1 || !strings.Contains(list[0].Problem, "excessive aliasing") {
		t.Errorf("%d mistakes: %v", len(list), list[:min(len(list), 3)])
	}
}

func TestTheNearestWordIsSuggested(t *testing.T) {
	t.Parallel()
	known := []string{"kind", "months", "month", "years", "day"}
	for word, want := range map[string]string{
		"moths": "use months", "mnoth": "use month", "knd": "use kind", "yeers": "use years", "d": "use kind, months, month, years or day",
		"quarter": "use kind, months, month, years or day", "": "use kind, months, month, years or day",
	} {
		if got := document.Suggest(word, known); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
	if got := document.Suggest("x", nil); got != "remove it" {
		t.Errorf("nothing is known: %s", got)
	}
	if got := document.Suggest("qualif", []string{"points", "qualifying"}); got != "use qualifying" {
		t.Errorf("a beginning: %s", got)
	}
}

func TestAnAmountIsInPlainNotation(t *testing.T) {
	t.Parallel()
	for text, want := range map[document.Amount]string{"0": "0", "12.50": "12.5", "0007": "7", "1234567890123456.123456789": "1234567890123456.123456789"} {
		if got, ok := text.Decimal(); !ok || got.String() != want {
			t.Errorf("%s is %s, %t", text, got, ok)
		}
	}
	for _, text := range []document.Amount{"", "-1", "+1", "1e3", "1e999999999", "0x10", "1_000", ".5", "5.", "1.0000000001", "12345678901234567", "½", ".inf", "1 "} {
		if got, ok := text.Decimal(); ok {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// FuzzDecode: whatever it is, it has the shape or a mistake with a line of the text.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"name: x\nitems:\n  - &a {code: a, from: 1}\n  - {<<: *a, code: b}\n  - {<<: [*a, {codes: b}]}\n",
		"? {a: b}\n: &c [*c]\n", "a: &a [x, x]\nb: &b [*a, *a]\nname: *b\n", "name: !!binary x\n", "name: !!null x\nitems: ~\n", "name: x\n...\n%\n", "<<: 1\n",
		"name: x\nlarge: !!str true\ncount: !!float 3\n", "\xff\xfe", "name: \x00", "name: x\r\ncount: y\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := document.Read(text)
		var s shape
		shaped := d.Decode(&s)
		if shaped != (d.Err() == nil) || shaped && s.Name == "" {
			t.Errorf("shaped %t as %+v: %v", shaped, s, d.Err())
		}
		for _, m := range mistakes(t, d.Err()) {
			if m.Line < 1 || m.Line > len(text)+2 || m.Problem == "" || m.Fix == "" {
				t.Errorf("mistake %+v", m)
			}
		}
	})
}

func TestManyKnownWordsAreNotAllTold(t *testing.T) {
	t.Parallel()
	many := make(map[string]bool)
	for i := range 30 {
		many[strings.Repeat("x", i+20)] = true
	}
	if got := document.Suggest("abc", slices.Sorted(maps.Keys(many))); !strings.HasSuffix(got, " and so on") {
		t.Errorf("30 words: %s", got)
	}
}

func TestAnErrorOfReadingIsToldAtTheStepsThatItNames(t *testing.T) {
	t.Parallel()
	const text = "rules:\n  - code: bills\n    rate:\n      per: x\n    when: y\n"
	for problem, want := range map[string]string{
		"rate: per: \"x\" is no number: use one above 0": `line 4: rules[bills].rate.per: "x" is no number; use one above 0`,
		"bonus: it is missing":                           "line 2: rules[bills]: bonus: it is missing; see what the field takes",
		"when: 1:1: no such name: y":                     "line 5: rules[bills].when: 1:1: no such name: y; see what the field takes",
	} {
		d := document.Read([]byte(text))
		d.At("rules", 0).Failed(errors.New(problem))
		if diff := cmp.Diff([]string{want}, told(t, d.Err())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", problem, diff)
		}
	}
	d := document.Read([]byte(text))
	if d.At("rules").Failed(nil); d.Err() != nil {
		t.Error(d.Err())
	}
}
