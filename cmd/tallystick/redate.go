package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

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
		done, err := d.ledger.RedateAll(ctx, programme, c.Unit, c.From, c.To, c.ExpiresAt, byOperator(c.Key, c.Reason))
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "re-dated %s %s of %d members in %d lots to %s\n", done.Amount, c.Unit, done.Members, done.Lots,
			c.ExpiresAt.Format(time.RFC3339))
		if done.Earlier > 0 {
			fmt.Fprintf(s.out, "%d members were done by an earlier run\n", done.Earlier)
		}
		for _, reason := range slices.Sorted(maps.Keys(done.Refused)) {
			if reason != ledger.NothingToRedate { // expired meanwhile
				err = errRefused
			}
			fmt.Fprintf(s.out, "%d members were refused: %s\n", done.Refused[reason], reason)
		}
		return err
	})
}

var errRefused = errors.New("not every member's lots were re-dated")
