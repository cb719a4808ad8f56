package benefits

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/shopspring/decimal"
)

func testLanguage(t *testing.T) language {
	t.Helper()
	l, err := newLanguage(map[string]*cel.Type{
		"activity.amount": numberType, "activity.channel": cel.StringType, "member.segments": cel.ListType(cel.StringType),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var someVariables = map[string]any{
	"activity.amount": number{decimal.RequireFromString("0.30")}, "activity.channel": "hall", "member.segments": []string{"vip", "golf"},
}

func TestConditionsCompareAmountsExactly(t *testing.T) {
	l := testLanguage(t)
	for text, want := range map[string]bool{
		"activity.amount >= 0.3":                                       true,
		"activity.amount > 0.3":                                        false,
		"activity.amount + 0.1 + 0.2 == activity.amount + 0.3":         true,
		"activity.amount < 1 && activity.channel == 'hall'":            true,
		"'golf' in member.segments":                                    true,
		"activity.channel in ['app', 'web']":                           false,
		"activity.amount * 3 - 0.9 == activity.amount - 0.3":           true,
		"-activity.amount <= 0 && activity.amount != -activity.amount": true,
	} {
		e, err := l.compile(text, cel.BoolType)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := e.holds(someVariables); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestAmountsAreComputedExactly(t *testing.T) {
	e, err := testLanguage(t).compile("(activity.amount - 0.1) * 3", numberType)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.amount(someVariables); err != nil || got.String() != "0.6" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestExpressionsThatCannotBeSayWhere(t *testing.T) {
	l := testLanguage(t)
	for text, want := range map[string]string{
		"activity.amount >= 'x'":    "column 17",
		"activity.amuont > 1":       "amuont",
		"activity.channel":          "should be a bool",
		"activity.amount >":         "column",
		"'golf' in activity.amount": "column",
	} {
		if _, err := l.compile(text, cel.BoolType); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestAnExpressionThatTakesTooLongFails(t *testing.T) {
	e, err := testLanguage(t).compile(`"x".matches("`+strings.Repeat("(x+x+)+", 8)+`y") || [1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, a+b+c+d > 0))))`, cel.BoolType)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.holds(someVariables); !errors.Is(err, errExpression) {
		t.Errorf("answer: %v", err)
	}
}
