package main

import (
	"context"
	"encoding/csv"
	"time"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/partners"
)

type exportCommand struct {
	Document exportDocumentCommand `cmd:"" default:"withargs" help:"The programme's document, byte for byte as it was applied."`
	Tiers    exportTiersCommand    `cmd:"" help:"The tiers that members hold now, as CSV that import tiers takes."`
}

type exportDocumentCommand struct {
	onProgramme
	Version int64 `help:"An earlier version; without it, the current one." placeholder:"N"`
}

// Run writes the document byte for byte as it was applied.
func (c *exportDocumentCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		_, text, err := d.ledger.ReadVersion(ctx, programme, c.Version)
		if err != nil {
			return err
		}
		_, err = s.out.Write(text)
		return err
	})
}

type exportTiersCommand struct {
	onProgramme
}

// Run writes a line for each source that gives a member a tier. Its key is the transaction that gave it.
func (c *exportTiersCommand) Run(ctx context.Context, s *streams) error {
	rows := csv.NewWriter(s.out)
	err := c.with(ctx, func(d *database, programme uuid.UUID) error {
		if err := rows.Write([]string{"key", "member", "group", "tier", "source", "from", "until", "reason"}); err != nil {
			return err
		}
		catalog := benefits.New(d.ledger, d.reports, partners.New(d.ledger, d.reports, nil))
		return catalog.ExportTiers(ctx, programme, func(t benefits.TierRow) error {
			return rows.Write([]string{
				t.Decision.String(), t.Member, t.Group, t.Tier, string(t.Source),
				t.From.Format(time.RFC3339Nano), t.Until.Format(time.RFC3339Nano), t.Reason,
			})
		})
	})
	rows.Flush()
	if err != nil {
		return err
	}
	return rows.Error()
}
