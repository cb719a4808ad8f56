package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/document"
	"tallystick/partners"
)

type applyCommand struct {
	onDatabase
	File   string `short:"f" required:"" type:"existingfile" help:"The programme document (YAML)."`
	DryRun bool   `help:"Check everything, show what would change, and write nothing."`
	JSON   bool   `name:"json" help:"Print one JSON object."`
}

// Run validates every section of the document, shows what it changes, makes it current and publishes the stock that it
// declares; the same document again changes nothing.
func (c *applyCommand) Run(ctx context.Context, s *streams) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	return c.with(ctx, func(d *database) error {
		pool, err := d.pool(ctx, db.Options{})
		if err != nil {
			return err
		}
		catalog := benefits.New(d.ledger, pool, partners.New(d.ledger, pool))
		preview, err := catalog.PreviewProgramme(ctx, text)
		if err != nil {
			return err
		}
		if !c.JSON {
			printChanges(s.out, preview)
		}
		if !c.DryRun {
			p, err := catalog.ApplyProgramme(ctx, text)
			if err != nil {
				return err
			}
			preview.Version = p.Version
		}
		return c.conclude(s.out, preview)
	})
}

// conclude says at which version the programme is, or would be.
func (c *applyCommand) conclude(out io.Writer, p *benefits.Preview) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(struct {
			*benefits.Preview
			Applied bool `json:"applied"`
		}{p, !c.DryRun})
	}
	verb := "is"
	if c.DryRun {
		verb = "would be"
	}
	fmt.Fprintf(out, "programme %s %s at version %d\n", p.Programme, verb, p.Version)
	return nil
}

// printChanges writes what a document changes, in colours on a terminal.
func printChanges(out io.Writer, p *benefits.Preview) {
	colours := map[document.ChangeKind]string{document.Added: "\x1b[32m", document.Removed: "\x1b[31m", document.Changed: "\x1b[33m"}
	file, isFile := out.(*os.File)
	terminal := isFile && term.IsTerminal(int(file.Fd()))
	for _, change := range p.Changes {
		line := "  " + change.String()
		if terminal {
			line = colours[change.Kind] + line + "\x1b[0m"
		}
		fmt.Fprintln(out, line)
	}
	for _, u := range p.Publishes {
		fmt.Fprintf(out, "  publishes %s of %s as %s\n", u.Amount, u.Benefit, u.Name)
	}
}
