package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"tallystick/internal/devdb"
	"tallystick/ledger"
)

type demoCommand struct {
	Orders        string `help:"Orders to play: a file like the excerpt that is played without it." type:"existingfile" placeholder:"FILE"`
	NoRedemptions bool   `help:"Only accrue and expire."`
	JSON          bool   `name:"json" help:"Print one JSON object."`
	Dir           string `help:"Folder of the local database. Starting again with the same one goes on where it stopped." placeholder:"DIR"`
}

// Run plays the orders by date on a local database and prints the books. It may be killed at any moment: started again it
// goes on, and what was done is not done twice.
func (c *demoCommand) Run(ctx context.Context, s *streams) error {
	file, days, err := c.read()
	if err != nil {
		return err
	}
	dir, err := c.dir()
	if err != nil {
		return err
	}
	started := time.Now()
	site, err := openSite(ctx, devdb.Config{Dir: dir}, servingConfig{
		addr: "127.0.0.1:0", unlimited: demoClients, log: slog.New(slog.DiscardHandler), // it sweeps by itself
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "database: %s\n", site.server.Engine())
	books, err := c.play(ctx, s, site, demoDocument(file, !c.NoRedemptions), days)
	if err = errors.Join(err, site.close()); err != nil {
		return err
	}
	books.File = c.name()
	if c.JSON {
		err = books.printJSON(s.out)
	} else {
		books.print(s.out)
	}
	fmt.Fprintf(s.err, "played in %s\n", time.Since(started).Round(100*time.Millisecond))
	return errors.Join(err, books.check())
}

func (c *demoCommand) name() string {
	if c.Orders == "" {
		return "the excerpt"
	}
	return c.Orders
}

func (c *demoCommand) read() (file []byte, days []orderDay, err error) {
	file = excerpt
	if c.Orders != "" {
		if file, err = os.ReadFile(c.Orders); err != nil {
			return nil, nil, err
		}
	}
	days, err = readOrders(bytes.NewReader(file))
	return file, days, err
}

// dir is beside the folder of `run`, whose database may be up.
func (c *demoCommand) dir() (string, error) {
	if c.Dir != "" {
		return c.Dir, nil
	}
	dir, err := devdb.DefaultDir()
	return dir + "-demo", err
}

// play does the main job: apply the programme, play the orders, sweep, and read the books. Beside the excerpt it plays the
// life of one member, in a programme of its own.
func (c *demoCommand) play(ctx context.Context, s *streams, site *site, document []byte, days []orderDay) (*demoBooks, error) {
	programme, err := applied(ctx, site, document)
	if err != nil {
		return nil, err
	}
	p, err := newPlayer(ctx, site, programme, !c.NoRedemptions)
	if err != nil {
		return nil, err
	}
	if err := p.play(ctx, days, newProgress(s.err, "orders")); err != nil {
		return nil, err
	}
	if err := sweepAll(ctx, s.err, site.ledger, programme); err != nil {
		return nil, err
	}
	var told *demoLife
	if c.Orders == "" {
		if told, err = playLife(ctx, s.err, site); err != nil {
			return nil, err
		}
	}
	books, err := readBooks(ctx, s.err, site, programme, days)
	if books != nil {
		books.Life = told
	}
	return books, err
}

func sweepAll(ctx context.Context, progressTo io.Writer, l *ledger.Ledger, p *ledger.Programme) error {
	due, err := l.CountDue(ctx, p.ID)
	if err != nil {
		return err
	}
	bar, done := newProgress(progressTo, "sweep"), int64(0)
	err = l.Sweep(ctx, p.ID, func(ledger.Due) {
		done++
		bar.set(min(done, due), due)
	})
	bar.set(due, due)
	return err
}
