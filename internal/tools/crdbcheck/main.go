// Command crdbcheck shows that CockroachDB would take every statement of this repository, without one at hand.
//
// It parses each migration and each Go constant named sql… with CockroachDB's own parser, and refuses what the two
// databases understand differently. A statement that is built at run time cannot be checked and is refused as well:
// what reaches Query, QueryRow, Exec or Queue must be such a constant. Where it cannot be, a comment on that line or on
// the one above it says why:
//
//	// crdbcheck: a role is no value, and cannot be a parameter
//
// Test files are not checked: they run on whatever database there is.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: crdbcheck FOLDER")
		os.Exit(2)
	}
	found, statements, err := check(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "crdbcheck:", err)
		os.Exit(2)
	}
	for _, f := range found {
		fmt.Println(f)
	}
	fmt.Printf("crdbcheck: %d statements, %d findings\n", statements, len(found))
	if len(found) > 0 {
		os.Exit(1)
	}
}

// finding is one thing that is wrong, and where.
type finding struct {
	file string
	line int
	what string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.what) }

// check reads everything below root. A repository without a single statement is an error: it is the wrong folder.
func check(root string) (found []finding, statements int, err error) {
	migrations, err := filepath.Glob(filepath.Join(root, "migrations", "*.sql"))
	if err != nil {
		return nil, 0, err
	}
	for _, path := range migrations {
		more, err := checkMigration(path)
		if err != nil {
			return nil, 0, err
		}
		statements++
		found = append(found, more...)
	}
	packages, err := goPackages(root)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range packages {
		statements += len(p.constants)
		found = append(found, p.check()...)
	}
	if statements == 0 {
		return nil, 0, fmt.Errorf("no statement below %s", root)
	}
	for i, f := range found {
		if name, err := filepath.Rel(root, f.file); err == nil {
			found[i].file = name
		}
	}
	slices.SortFunc(found, func(a, b finding) int {
		if a.file != b.file {
			return slices.Compare([]string{a.file}, []string{b.file})
		}
		return a.line - b.line
	})
	return found, statements, nil
}
