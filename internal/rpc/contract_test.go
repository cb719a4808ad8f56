package rpc

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func TestEveryMethodHasARowAndEveryRowAMethod(t *testing.T) {
	known := make(map[string]bool)
	for _, m := range methods() {
		name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
		known[name] = true
		if row, ok := procedures[name]; !ok || len(row.roles) == 0 {
			t.Errorf("%s: nobody may call it: give it a row in procedures", name)
		}
	}
	for name := range procedures {
		if !known[name] {
			t.Errorf("%s: there is no such method", name)
		}
	}
}

func TestReadsAndOnlyReadsCanBeGets(t *testing.T) {
	for _, m := range methods() {
		read := false
		for _, verb := range []string{"Get", "List", "Explain", "Preview", "Estimate", "CheckEntitlement"} {
			read = read || strings.HasPrefix(string(m.Name()), verb)
		}
		read = read && m.Name() != "GetVoucherCode" // which no cache is to keep
		options, _ := m.Options().(*descriptorpb.MethodOptions)
		if got := options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS; got != read {
			t.Errorf("%s: no side effects: %v, want %v", m.FullName(), got, read)
		}
	}
}

func TestEveryStringAndListOfARequestIsBounded(t *testing.T) {
	seen := make(map[protoreflect.FullName]bool)
	var walk func(protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] || !strings.HasPrefix(string(m.FullName()), "tallystick.") {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			field := m.Fields().Get(i)
			rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
			if field.IsList() {
				rules = cmp.Or(rules.GetRepeated().GetItems(), rules)
			}
			text := rules.GetString()
			if field.Kind() == protoreflect.StringKind && !text.GetUuid() && (text.GetMaxLen() == 0 || text.GetPattern() == "") {
				t.Errorf("%s: give it a max_len and a pattern, or uuid", field.FullName())
			}
			if field.Kind() == protoreflect.EnumKind && !rules.GetEnum().GetDefinedOnly() && len(rules.GetEnum().GetIn()) == 0 {
				t.Errorf("%s: numbers without a name are accepted", field.FullName())
			}
			if list, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules); field.IsList() && list.GetRepeated().GetMaxItems() == 0 {
				t.Errorf("%s: give it max_items", field.FullName())
			}
			if field.Message() != nil {
				walk(field.Message())
			}
		}
	}
	for _, m := range methods() {
		walk(m.Input())
	}
}

func TestNoRequestNamesAProgramme(t *testing.T) {
	for _, m := range methods() {
		for i := range m.Input().Fields().Len() {
			if name := string(m.Input().Fields().Get(i).Name()); strings.Contains(name, "programme") {
				t.Errorf("%s.%s: the programme comes from the credential", m.Input().Name(), name)
			}
		}
	}
}

// constants returns the values of the string constants of a type that a file of the ledger declares.
func constants(t *testing.T, file, typeName string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "../../ledger/"+file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typeName && len(spec.Values) == 1 {
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s of %s is no literal", spec.Names[0].Name, typeName)
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) < 10 {
		t.Fatalf("%s declares only %d constants of %s: did they move?", file, len(values), typeName)
	}
	return values
}

func TestEveryReasonOfTheLedgerHasACode(t *testing.T) {
	for _, reason := range constants(t, "errors.go", "Reason") {
		class, classified := ledger.Reasons[ledger.Reason(reason)]
		if _, ok := codes[class]; !classified || !ok {
			t.Errorf("%s has no code", reason)
		}
		no := toRefusal(&ledger.Refusal{Reason: ledger.Reason(reason)})
		if no.reason != reason || no.code != codes[class] {
			t.Errorf("%s is answered as %s %s", reason, no.code, no.reason)
		}
	}
}

func TestEveryKindAndPlaceOfTheLedgerHasItsNameInTheContract(t *testing.T) {
	for _, kind := range constants(t, "transaction.go", "Kind") {
		if kindOf(ledger.Kind(kind)) == v1.Kind_KIND_UNSPECIFIED {
			t.Errorf("kind %s has no name", kind)
		}
	}
	for _, place := range constants(t, "account.go", "Place") {
		if placeOf(ledger.Place(place)) == v1.Place_PLACE_UNSPECIFIED {
			t.Errorf("place %s has no name", place)
		}
	}
	for _, owner := range []ledger.Owner{ledger.ProgrammeOwner, ledger.Member("1"), ledger.Partner("1"), ledger.Staff("1")} {
		if kind, _ := ownerOf(owner); kind == v1.OwnerKind_OWNER_KIND_UNSPECIFIED {
			t.Errorf("owner %s has no kind", owner)
		}
	}
}
