package main

import (
	"context"
	"fmt"
	"os"
)

type applyCommand struct {
	onDatabase
	File string `short:"f" required:"" type:"existingfile" help:"The programme document (YAML)."`
}

// Run validates the document and makes it current; the same document again changes nothing.
func (c *applyCommand) Run(ctx context.Context, s *streams) error {
	document, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	return c.with(ctx, false, func(d *database) error {
		p, err := d.ledger.ApplyProgramme(ctx, document)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "programme %s is at version %d\n", p.Name, p.Version)
		return nil
	})
}
