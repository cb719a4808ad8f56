package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

type clockCommand struct {
	onProgramme
	To     time.Time `arg:"" optional:"" format:"2006-01-02T15:04:05Z07:00" help:"Where to move a sandbox's clock, such as 1997-06-01T00:00:00Z. Forward only."`
	Reason string    `help:"Why." default:"clock"`
	Key    string    `help:"Idempotency key: the same key moves it once."`
}

func (c *clockCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		if !c.To.IsZero() {
			if _, err := d.ledger.Post(ctx, programme, ledger.SetClock(c.To, byOperator(c.Key, c.Reason))); err != nil {
				return err
			}
		}
		state, err := d.ledger.State(ctx, programme)
		if err != nil {
			return err
		}
		kind := "live: the database's clock"
		if state.Sandbox {
			kind = "sandbox"
		}
		fmt.Fprintf(s.out, "%s (%s)\n", state.Now.Format(time.RFC3339Nano), kind)
		return nil
	})
}
