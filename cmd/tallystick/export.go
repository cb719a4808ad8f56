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
		version := c.Version
		if version == 0 {
			state, err := d.ledger.State(ctx, programme)
			if err != nil {
				return err
			}
			version = state.Version
		}
		text, err := d.ledger.DocumentAt(ctx, programme, version)
		if err != nil {
			return err
		}
		_, err = s.out.Write(text)
		return err
	})
}
