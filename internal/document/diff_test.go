package document_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tallystick/internal/document"
)

func TestADifferenceIsByStableIDs(t *testing.T) {
	t.Parallel()
	const from = `
programme: test
units:
  - {code: points, scale: 0}
  - {code: visits, scale: 0}
benefits:
  - {code: tea, prices: {points: 300}, outlets: [t1, t3]}
  - {code: dinner, tier: gold}
`
	const to = `# another layout, and another order
programme: "test"
benefits:
  - code: dinner
  - &tea
    code: tea
    prices: {points: 250, visits: 1}
    outlets: [t1]
  - {<<: *tea, code: coffee}
units: [{code: visits, scale: 0}, {code: points, scale: 0}]
`
	want := []string{
		"+ benefits[coffee].code: coffee",
		"+ benefits[coffee].outlets: [t1]",
		"+ benefits[coffee].prices.points: 250",
		"+ benefits[coffee].prices.visits: 1",
		"- benefits[dinner].tier: gold",
		"~ benefits[tea].outlets: [t1, t3] → [t1]",
		"~ benefits[tea].prices.points: 300 → 250",
		"+ benefits[tea].prices.visits: 1",
	}
	var got []string
	for _, c := range document.Difference(document.Read([]byte(from)), document.Read([]byte(to))) {
		got = append(got, c.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
	if same := document.Difference(document.Read([]byte(from)), document.Read([]byte("# a comment\n"+from))); same != nil {
		t.Errorf("a comment is a difference: %v", same)
	}
	if all := document.Difference(document.Read(nil), document.Read([]byte("programme: x\n"))); len(all) != 1 || all[0].Kind != document.Added {
		t.Errorf("from nothing: %v", all)
	}
}
