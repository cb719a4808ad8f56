package benefits

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/shopspring/decimal"
)

// costLimit bounds what one evaluation may do, in CEL's own cost units: a comparison is one.
const costLimit = 10_000

// language compiles the expressions of rules: CEL over the variables that it declares. Amounts are decimals of the type
// number, never floats; whole numbers and decimal fractions may stand on the right of one: activity.amount >= 99.50.
type language struct{ env *cel.Env }

// numberType is the CEL type of an exact decimal.
var numberType = types.NewObjectType("number",
	traits.AdderType|traits.ComparerType|traits.MultiplierType|traits.NegatorType|traits.SubtractorType)

// The operators of a number and what may stand on its right.
var (
	numberRight = map[string]*cel.Type{"number": numberType, "int": cel.IntType, "double": cel.DoubleType}
	numberYield = map[string]*cel.Type{
		operators.Add: numberType, operators.Subtract: numberType, operators.Multiply: numberType,
		operators.Less: cel.BoolType, operators.LessEquals: cel.BoolType,
		operators.Greater: cel.BoolType, operators.GreaterEquals: cel.BoolType,
	}
)

func newLanguage(variables map[string]*cel.Type) (language, error) {
	var options []cel.EnvOption
	for name, t := range variables {
		options = append(options, cel.Variable(name, t))
	}
	for operator, yield := range numberYield {
		for name, right := range numberRight {
			overload := cel.Overload(operator+"_number_"+name, []*cel.Type{numberType, right}, yield)
			options = append(options, cel.Function(operator, overload))
		}
	}
	options = append(options, cel.Function(operators.Negate, cel.Overload("negate_number", []*cel.Type{numberType}, numberType)))
	env, err := cel.NewEnv(options...)
	return language{env}, err
}

// expression is a compiled expression. The nil one is absent.
type expression struct {
	text    string
	program cel.Program
}

// compile checks an expression's types. Its errors name what is wrong and where in the expression.
func (l language) compile(text string, want *cel.Type) (*expression, error) {
	ast, issues := l.env.Compile(text)
	if issues.Err() != nil {
		problem := issues.Errors()[0]
		return nil, fmt.Errorf("%q: column %d: %s", text, problem.Location.Column()+1, plain(problem.Message))
	}
	if !ast.OutputType().IsExactType(want) {
		return nil, fmt.Errorf("%q is a %s and should be a %s", text, ast.OutputType(), want)
	}
	program, err := l.env.Program(ast, cel.CostLimit(costLimit))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return &expression{text: text, program: program}, nil
}

// plain leaves out the words that mean something to the language's own developers only.
func plain(message string) string {
	return strings.TrimSuffix(message, " (in container '')")
}

// errExpression is why an expression has no value for the given variables: it divides by zero, or takes too long.
var errExpression = errors.New("benefits: expression")

func (e *expression) value(variables map[string]any) (ref.Val, error) {
	value, _, err := e.program.Eval(variables)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", errExpression, e.text, err)
	}
	return value, nil
}

// holds evaluates a condition; an absent one holds.
func (e *expression) holds(variables map[string]any) (bool, error) {
	if e == nil {
		return true, nil
	}
	value, err := e.value(variables)
	return err == nil && value == types.True, err
}

// amount evaluates an expression of type number.
func (e *expression) amount(variables map[string]any) (decimal.Decimal, error) {
	value, err := e.value(variables)
	if err != nil {
		return decimal.Zero, err
	}
	amount, ok := value.(number)
	if !ok {
		return decimal.Zero, fmt.Errorf("%w: %q: not a number", errExpression, e.text)
	}
	return amount.Decimal, nil
}

// number is a decimal in an expression.
type number struct{ decimal.Decimal }

// with applies an operation to n and what stands on its right.
func (n number) with(other ref.Val, operation func(decimal.Decimal) ref.Val) ref.Val {
	switch right := other.(type) {
	case number:
		return operation(right.Decimal)
	case types.Int:
		return operation(decimal.NewFromInt(int64(right)))
	case types.Double:
		return operation(decimal.NewFromFloat(float64(right))) // the shortest decimal that is written so
	default:
		return types.MaybeNoSuchOverloadErr(other)
	}
}

func (n number) Add(other ref.Val) ref.Val {
	return n.with(other, func(right decimal.Decimal) ref.Val { return number{n.Decimal.Add(right)} })
}

func (n number) Subtract(other ref.Val) ref.Val {
	return n.with(other, func(right decimal.Decimal) ref.Val { return number{n.Sub(right)} })
}

func (n number) Multiply(other ref.Val) ref.Val {
	return n.with(other, func(right decimal.Decimal) ref.Val { return number{n.Mul(right)} })
}

func (n number) Negate() ref.Val { return number{n.Neg()} }

func (n number) Compare(other ref.Val) ref.Val {
	return n.with(other, func(right decimal.Decimal) ref.Val { return types.Int(n.Cmp(right)) })
}

func (n number) Equal(other ref.Val) ref.Val {
	return n.with(other, func(right decimal.Decimal) ref.Val { return types.Bool(n.Decimal.Equal(right)) })
}

func (n number) ConvertToNative(t reflect.Type) (any, error) {
	if t == reflect.TypeFor[decimal.Decimal]() {
		return n.Decimal, nil
	}
	return nil, fmt.Errorf("benefits: a number is not a %s", t)
}

func (n number) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.StringType:
		return types.String(n.String())
	case types.TypeType:
		return numberType
	default:
		return types.NewErr("a number cannot become a %s", t.TypeName())
	}
}

func (n number) Type() ref.Type { return numberType }

func (n number) Value() any { return n.Decimal }
