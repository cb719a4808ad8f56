package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/partners"
)

type rerateCommand struct {
	onProgramme
	DryRun bool   `help:"Decide and report who would move, and post nothing."`
	Key    string `default:"rerate" help:"Names the job: stopped and started again with it, it goes on where it was."`
	Out    string `help:"Write everybody who moves into this CSV file." placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print one JSON object."`
}

// moves counts members by where they come from and go to.
type moves struct {
	Group   string `json:"group"`
	From    string `json:"from"`
	To      string `json:"to"`
	Cause   string `json:"cause"`
	Source  string `json:"source"`
	Members int64  `json:"members"`
}

// Run rates every member.
func (c *rerateCommand) Run(ctx context.Context, s *streams) error {
	list, err := c.list()
	if err != nil {
		return err
	}
	counts := make(map[moves]int64)
	var done benefits.Rerated
	err = c.with(ctx, func(d *database, programme uuid.UUID) error {
		pool, err := d.pool(ctx, db.Options{ByIndex: true})
		if err != nil {
			return err
		}
		catalog := benefits.New(d.ledger, pool, partners.New(d.ledger, pool, nil))
		done, err = catalog.RerateAll(ctx, programme, benefits.Rerating{
			Key: c.Key, DryRun: c.DryRun, Tell: newProgress(s.err, "members").set,
			Moved: func(m benefits.TierMove) {
				counts[moves{Group: m.Group, From: m.From, To: m.To, Cause: string(m.Cause), Source: string(m.Source)}]++
				list.add(m)
			},
		})
		return err
	})
	if err = errors.Join(err, list.close()); err != nil {
		return err
	}
	return c.print(s.out, done, counts)
}

func (c *rerateCommand) print(out io.Writer, done benefits.Rerated, counts map[moves]int64) error {
	table := make([]moves, 0, len(counts))
	for m, n := range counts {
		m.Members = n
		table = append(table, m)
	}
	slices.SortFunc(table, func(a, b moves) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(b.Members, a.Members), cmp.Compare(a.From+">"+a.To, b.From+">"+b.To), cmp.Compare(a.Cause, b.Cause))
	})
	if c.JSON {
		return json.NewEncoder(out).Encode(map[string]any{"dry_run": c.DryRun, "rated": done.Rated, "moved": done.Moved, "moves": table})
	}
	verb := "moved"
	if c.DryRun {
		verb = "would move"
	}
	fmt.Fprintf(out, "%d members rated, %d %s\n", done.Rated, done.Moved, verb)
	if len(table) == 0 {
		return nil
	}
	rows := [][]string{{"group", "from", "to", "by", "cause", "members"}}
	for _, m := range table {
		rows = append(rows, []string{m.Group, cmp.Or(m.From, "-"), cmp.Or(m.To, "-"), m.Source, m.Cause, strconv.FormatInt(m.Members, 10)})
	}
	printTable(out, rows, 5)
	return nil
}

// moveList is the file of everybody who moves; the nil one is none.
type moveList struct {
	file *os.File
	rows *csv.Writer
}

func (c *rerateCommand) list() (*moveList, error) {
	if c.Out == "" {
		return nil, nil
	}
	file, err := os.Create(c.Out)
	if err != nil {
		return nil, err
	}
	l := &moveList{file, csv.NewWriter(file)}
	return l, l.rows.Write([]string{"member", "group", "from", "to", "source", "cause"})
}

func (l *moveList) add(m benefits.TierMove) {
	if l != nil {
		_ = l.rows.Write([]string{m.Member, m.Group, m.From, m.To, string(m.Source), string(m.Cause)}) // close tells of it
	}
}

func (l *moveList) close() error {
	if l == nil {
		return nil
	}
	l.rows.Flush()
	return errors.Join(l.rows.Error(), l.file.Close())
}
