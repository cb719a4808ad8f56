package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
)

// CheckUnit returns whether the programme declares a unit as one of the given kinds, and reports it at the spot otherwise.
func (p *Programme) CheckUnit(at document.Spot, unit string, kinds ...UnitKind) bool {
	if u, declared := p.Units[unit]; declared && slices.Contains(kinds, u.Kind) {
		return true
	}
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		words[i] = string(kind)
	}
	kind := strings.Join(words, " or ")
	fix := "declare it under units with kind " + kind
	if known := p.unitsOf(kinds); len(known) > 0 {
		fix = document.Suggest(unit, known) + ", or " + fix
	}
	at.Wrong(fmt.Sprintf("%q is no unit of kind %s", unit, kind), fix)
	return false
}

// CheckAmount reads an amount of a unit that a posting can move, hence above zero, and reports what is none at the spot.
func (p *Programme) CheckAmount(at document.Spot, unit string, text document.Amount) (decimal.Decimal, bool) {
	u := p.Units[unit]
	amount, ok := text.Decimal()
	if !ok || !u.Fits(amount) {
		at.Wrong(fmt.Sprintf("%q is no amount of %s", text, unit), fmt.Sprintf("use a number above 0 with at most %d decimal places", u.Scale))
		return decimal.Zero, false
	}
	return amount, true
}

// CheckLimit finds a limit that the document declares, and reports one that it does not.
func (p *Programme) CheckLimit(at document.Spot, code string) (Limit, bool) {
	limit, declared := p.Limits[code]
	if !declared {
		at.Wrong(fmt.Sprintf("there is no limit %q", code), document.Suggest(code, slices.Sorted(maps.Keys(p.Limits)))+", or declare it under limits")
	}
	return limit, declared
}

// CheckPolicy reports an expiry policy that the document does not declare.
func (p *Programme) CheckPolicy(at document.Spot, name string) {
	if _, declared := p.Policies[name]; !declared {
		at.Wrong(fmt.Sprintf("there is no expiry policy %q", name), document.Suggest(name, slices.Sorted(maps.Keys(p.Policies)))+", or declare it under expiry")
	}
}

// unitsOf are the codes of the programme's units of the given kinds, sorted.
func (p *Programme) unitsOf(kinds []UnitKind) []string {
	var codes []string
	for code, u := range p.Units {
		if slices.Contains(kinds, u.Kind) {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}
