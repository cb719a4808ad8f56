package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// goPackage is a folder of Go files with its statements.
type goPackage struct {
	fset      *token.FileSet
	files     []*ast.File
	excuses   map[string]map[int]bool // the lines that a "crdbcheck:" comment covers, by file
	constants map[string]constant
	// carriers are our own functions that pass a statement on, with the place of the statement among their arguments.
	carriers map[string]int
}

type constant struct {
	value ast.Expr
	pos   token.Pos
}

// goPackages reads every Go file below root that is ours, no test, and not generated.
func goPackages(root string) ([]*goPackage, error) {
	byFolder := map[string]*goPackage{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "testdata", "tools"}, d.Name())):
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		p := byFolder[filepath.Dir(path)]
		if p == nil {
			p = &goPackage{token.NewFileSet(), nil, map[string]map[int]bool{}, map[string]constant{}, map[string]int{}}
			byFolder[filepath.Dir(path)] = p
		}
		return p.add(path)
	})
	var packages []*goPackage
	for _, p := range byFolder {
		packages = append(packages, p)
	}
	return packages, err
}

func (p *goPackage) add(path string) error {
	file, err := parser.ParseFile(p.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ast.IsGenerated(file) {
		return nil
	}
	p.files = append(p.files, file)
	p.excuses[path] = map[int]bool{}
	for _, group := range file.Comments {
		for _, c := range group.List {
			if reason, ok := strings.CutPrefix(c.Text, "// crdbcheck: "); ok && reason != "" {
				p.excuses[path][p.fset.Position(c.Pos()).Line] = true
				p.excuses[path][p.fset.Position(group.End()).Line+1] = true
			}
		}
	}
	for _, decl := range file.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.CONST {
			for _, spec := range gen.Specs {
				p.addConstants(spec.(*ast.ValueSpec))
			}
		}
	}
	return nil
}

func (p *goPackage) addConstants(spec *ast.ValueSpec) {
	for i, name := range spec.Names {
		if isStatementName(name.Name) && i < len(spec.Values) {
			p.constants[name.Name] = constant{spec.Values[i], name.Pos()}
		}
	}
}

// isStatementName: sqlOpenLots, but not sqlite.
func isStatementName(name string) bool {
	rest, ok := strings.CutPrefix(name, "sql")
	return ok && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z'
}

func (p *goPackage) check() []finding {
	var found []finding
	report := func(pos token.Pos, what string) {
		if at := p.fset.Position(pos); !p.excused(pos) {
			found = append(found, finding{at.Filename, at.Line, what})
		}
	}
	for name, c := range p.constants {
		sql, ok := p.text(c.value)
		if !ok {
			report(c.pos, fmt.Sprintf("%s is not made of string literals and constants of this package", name))
			continue
		}
		for _, what := range checkStatement(sql) {
			report(c.pos, fmt.Sprintf("%s: %s", name, what))
		}
	}
	for p.findCarriers() {
	}
	for _, file := range p.files {
		p.eachCall(file, func(function *ast.FuncDecl, call *ast.CallExpr, at int) {
			if arg := call.Args[at]; !p.isStatement(arg) && p.parameter(function, arg) < 0 && !p.rangesOverStatements(function, arg) {
				report(call.Pos(), unchecked)
			}
		})
		p.eachCompanion(file, func(insert ast.Expr) {
			if !p.isStatement(insert) {
				report(insert.Pos(), unchecked)
			}
		})
	}
	return found
}

func (p *goPackage) excused(pos token.Pos) bool {
	at := p.fset.Position(pos)
	return p.excuses[at.Filename][at.Line]
}

const unchecked = "a statement that cannot be checked: pass a constant of this package that is named sql…"

// text is the value of a constant expression.
func (p *goPackage) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		x, okX := p.text(e.X)
		y, okY := p.text(e.Y)
		return x + y, okX && okY && e.Op == token.ADD
	case *ast.ParenExpr:
		return p.text(e.X)
	case *ast.Ident:
		for _, file := range p.files {
			if value := constantValue(file, e.Name); value != nil {
				return p.text(value)
			}
		}
	}
	return "", false
}

func constantValue(file *ast.File, name string) ast.Expr {
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.ValueSpec)
			if i := slices.IndexFunc(spec.Names, func(n *ast.Ident) bool { return n.Name == name }); i >= 0 && i < len(spec.Values) {
				return spec.Values[i]
			}
		}
	}
	return nil
}

func (p *goPackage) isStatement(e ast.Expr) bool {
	if field, ok := e.(*ast.SelectorExpr); ok {
		return field.Sel.Name == "Insert" // of a companion table, which eachCompanion has looked at where it is declared
	}
	name, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	_, known := p.constants[name.Name]
	return known
}

// rangesOverStatements: for _, sql := range [...]string{sqlOne, sqlTwo}.
func (p *goPackage) rangesOverStatements(function *ast.FuncDecl, e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	if !ok || function == nil {
		return false
	}
	found := false
	ast.Inspect(function, func(n ast.Node) bool {
		loop, ok := n.(*ast.RangeStmt)
		if !ok {
			return true
		}
		value, isName := loop.Value.(*ast.Ident)
		list, isList := loop.X.(*ast.CompositeLit)
		if isName && isList && value.Name == name.Name {
			found = !slices.ContainsFunc(list.Elts, func(e ast.Expr) bool { return !p.isStatement(e) })
		}
		return true
	})
	return found
}

// eachCompanion visits the statements of the ledger's companion tables, which it runs for the packages that declare them.
func (p *goPackage) eachCompanion(file *ast.File, visit func(insert ast.Expr)) {
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || !isCompanionTable(lit.Type) {
			return true
		}
		for _, element := range lit.Elts {
			if kv, ok := element.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Insert" {
					visit(kv.Value)
				}
			}
		}
		return true
	})
}

func isCompanionTable(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name == "CompanionTable"
	case *ast.SelectorExpr:
		return t.Sel.Name == "CompanionTable"
	}
	return false
}

// eachCall visits the calls that take a statement, with its place among the arguments.
func (p *goPackage) eachCall(file *ast.File, visit func(function *ast.FuncDecl, call *ast.CallExpr, at int)) {
	for _, decl := range file.Decls {
		function, _ := decl.(*ast.FuncDecl) // nil in a variable's initialiser
		ast.Inspect(decl, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if at := p.statementArgument(call); at >= 0 && at < len(call.Args) {
					visit(function, call, at)
				}
			}
			return true
		})
	}
}

// statementArgument is the place of the statement in a call of pgx or of a carrier, or -1.
func (p *goPackage) statementArgument(call *ast.CallExpr) int {
	fun := call.Fun
	if index, ok := fun.(*ast.IndexExpr); ok { // a generic carrier with its type
		fun = index.X
	}
	switch fun := fun.(type) {
	case *ast.SelectorExpr:
		switch fun.Sel.Name {
		case "Query", "QueryRow", "Exec", "Prepare", "QueryContext", "QueryRowContext", "ExecContext":
			if len(call.Args) >= 2 { // url.URL.Query has none
				return 1
			}
		case "Queue":
			return 0
		}
		return p.carrier(fun.Sel.Name)
	case *ast.Ident:
		return p.carrier(fun.Name)
	}
	return -1
}

func (p *goPackage) carrier(name string) int {
	if at, ok := p.carriers[name]; ok {
		return at
	}
	return -1
}

// findCarriers adds the functions that hand one of their own parameters to a call that takes a statement, and reports
// whether there were new ones.
func (p *goPackage) findCarriers() bool {
	before := len(p.carriers)
	for _, file := range p.files {
		p.eachCall(file, func(function *ast.FuncDecl, call *ast.CallExpr, at int) {
			if i := p.parameter(function, call.Args[at]); i >= 0 && !p.excused(call.Pos()) {
				p.carriers[function.Name.Name] = i
			}
		})
	}
	return len(p.carriers) > before
}

// parameter is the place of e among the parameters of function, or -1. An exported function has none here: it is called
// from where we do not look.
func (p *goPackage) parameter(function *ast.FuncDecl, e ast.Expr) int {
	name, ok := e.(*ast.Ident)
	if !ok || function == nil || function.Name.IsExported() {
		return -1
	}
	i := 0
	for _, field := range function.Type.Params.List {
		for _, n := range field.Names {
			if n.Name == name.Name {
				return i
			}
			i++
		}
	}
	return -1
}
