package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

type applyCommand struct {
	onDatabase
	File   string `short:"f" required:"" type:"existingfile" help:"The programme document (YAML)."`
	DryRun bool   `help:"Check everything, show what would change, and write nothing."`
	By     string `help:"Who applies it, which the books keep; without it, who is logged in." placeholder:"NAME"`
	After  int64  `help:"The version that the document was made from: if another is current, nothing is applied." placeholder:"N"`
	JSON   bool   `name:"json" help:"Print one JSON object."`
}

// Run validates every section of the document, makes it current, publishes the stock that it declares and shows what that
// changed; the same document again changes nothing.
func (c *applyCommand) Run(ctx context.Context, s *streams) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	return c.with(ctx, func(d *database) error {
		pool, err := d.pool(ctx, db.Options{ByIndex: true})
		if err != nil {
			return err
		}
		catalog := benefits.New(d.ledger, pool, partners.New(d.ledger, pool, nil))
		applied, err := catalog.ApplyProgramme(ctx, ledger.Application{
			Document: text, By: "cli/" + cmp.Or(c.By, loggedIn()), After: c.After, Preview: c.DryRun,
		})
		if err != nil {
			return err
		}
		return c.tell(s.out, applied)
	})
}

// tell says what changed, and at which version the programme is, or would be.
func (c *applyCommand) tell(out io.Writer, a *benefits.Applied) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(struct {
			Programme string                 `json:"programme"`
			Version   int64                  `json:"version"`
			Changes   []document.Change      `json:"changes"`
			Publishes []benefits.Publication `json:"publishes"`
			Applied   bool                   `json:"applied"`
		}{a.Name, a.Version, a.Changes, a.Publishes, !c.DryRun})
	}
	printChanges(out, a)
	verb := "is"
	if c.DryRun {
		verb = "would be"
	}
	fmt.Fprintf(out, "programme %s %s at version %d\n", a.Name, verb, a.Version)
	return nil
}

// printChanges writes what a document changes, in colours on a terminal.
func printChanges(out io.Writer, a *benefits.Applied) {
	colours := map[document.ChangeKind]string{document.Added: green, document.Removed: red, document.Changed: yellow}
	terminal := isTerminal(out)
	for _, change := range a.Changes {
		line := "  " + change.String()
		if terminal {
			line = colours[change.Kind] + line + normal
		}
		fmt.Fprintln(out, line)
	}
	for _, u := range a.Publishes {
		kept := ""
		if u.Tier != "" {
			kept = ", kept for " + u.Tier
		}
		fmt.Fprintf(out, "  publishes %s of %s as %s%s\n", u.Amount, u.Benefit, u.Name, kept)
	}
}

// applied makes a document current in the name of the tool that plays it.
func applied(ctx context.Context, site *site, document []byte) (*ledger.Programme, error) {
	a, err := site.catalog.ApplyProgramme(ctx, ledger.Application{Document: document, By: "cli/" + loggedIn()})
	if err != nil {
		return nil, err
	}
	return a.Programme, nil
}
