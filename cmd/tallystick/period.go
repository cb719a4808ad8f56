package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

type periodCommand struct {
	onProgramme
	OpenFrom time.Time `arg:"" optional:"" format:"2006-01-02T15:04:05Z07:00" help:"Close everything before this time, such as 2027-01-01T00:00:00+08:00. Forward only."`
	Reason   string    `help:"Why." default:"month end"`
	Key      string    `help:"Idempotency key: the same key closes it once."`
}

func (c *periodCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		if !c.OpenFrom.IsZero() {
			request := ledger.SetOpenPeriod(c.OpenFrom, byOperator(c.Key, c.Reason))
			if _, err := d.ledger.Post(ctx, programme, request); err != nil {
				return err
			}
		}
		state, err := d.ledger.State(ctx, programme)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "open from %s\n", state.OpenFrom.Format(time.RFC3339Nano))
		return nil
	})
}
