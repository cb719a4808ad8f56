package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

type redateCommand struct {
	onProgramme
	Unit      string    `required:"" help:"The unit whose lots get another expiry."`
	From      time.Time `required:"" format:"2006-01-02T15:04:05Z07:00" help:"The first expiry that is meant."`
	To        time.Time `required:"" format:"2006-01-02T15:04:05Z07:00" help:"The first expiry after it that is not."`
	ExpiresAt time.Time `required:"" format:"2006-01-02T15:04:05Z07:00" help:"The new expiry; a time that has passed expires them at once."`
	Reason    string    `required:"" help:"Why."`
	Key       string    `required:"" help:"Names the job: started again with the same key it goes on where it stopped."`
}

// Run re-dates all members' lots of a unit by transactions, one a member.
func (c *redateCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		lots, amount := 0, decimal.Zero
		err := d.ledger.RedateAll(ctx, programme, c.Unit, c.From, c.To, c.ExpiresAt, byOperator(c.Key, c.Reason), func(lot ledger.Due) {
			lots++
			amount = amount.Add(lot.Amount)
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "re-dated %d lots of %s %s to %s\n", lots, amount, c.Unit, c.ExpiresAt.Format(time.RFC3339))
		return nil
	})
}
