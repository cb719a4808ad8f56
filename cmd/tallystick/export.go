package main

import (
	"context"

	"github.com/google/uuid"
)

type exportCommand struct {
	onProgramme
	Version int64 `help:"An earlier version; without it, the current one." placeholder:"N"`
}

// Run writes the document byte for byte as it was applied.
func (c *exportCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		_, text, err := d.ledger.ReadVersion(ctx, programme, c.Version)
		if err != nil {
			return err
		}
		_, err = s.out.Write(text)
		return err
	})
}
