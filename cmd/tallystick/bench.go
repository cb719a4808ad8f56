package main

import (
	"context"
	"fmt"
	"os"

	"tallystick/internal/bench"
)

type benchCommand struct {
	Only         []string `help:"Names to measure, such as accrue; all when there is none. A wrong one lists them." placeholder:"NAME"`
	Seconds      float64  `help:"How long each rate is measured for." default:"5"`
	Members      int      `help:"How many members the postings are spread over." default:"100000"`
	SweepMembers int      `help:"How many members' lots expire at one instant." default:"1000000"`
	Claimants    int      `help:"How many members want the one offer that there is for a tenth of them." default:"100000"`
	Rated        int      `help:"How many members are rated." default:"1000000"`
	ImportLines  int      `help:"How many lines the imported file has." default:"1000000"`
	Prices       bool     `help:"Measure the parts of a posting instead: what each table costs." xor:"what"`
	Scale        bool     `help:"Measure accruals from 10,000 to 1,000,000 members and up to 5,000,000 entries instead." xor:"what"`
	Compare      string   `help:"Drive another ledger with the same load instead: Formance's or Blnk." placeholder:"URL" xor:"what"`
	JSON         bool     `name:"json" help:"Print a list of objects instead of a table."`
}

// Run measures on a database and a server that it starts, and leaves nothing behind.
func (c *benchCommand) Run(ctx context.Context, s *streams) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	o := bench.Options{
		Only: c.Only, Seconds: c.Seconds, Members: c.Members, SweepMembers: c.SweepMembers,
		Claimants: c.Claimants, Rated: c.Rated, ImportLines: c.ImportLines,
		Prices: c.Prices, Scale: c.Scale, Compare: c.Compare, Program: program,
		Out: s.out, Progress: s.err,
	}
	if c.JSON {
		o.Out = s.err
	}
	results, err := bench.Run(ctx, o)
	if err != nil || !c.JSON {
		return err
	}
	return bench.WriteJSON(s.out, results)
}
