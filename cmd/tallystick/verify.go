package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/ledger"
	"tallystick/partners"
)

type verifyCommand struct {
	onDatabase
	JSON bool `name:"json" help:"Print one JSON object."`
}

var errBooksWrong = errors.New("the books do not verify")

// Run exits 1 on the first class of failure, with its rows.
func (c *verifyCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database) error {
		pool, err := d.pool(ctx, db.Options{Application: "tallystick verify", StatementTimeout: 24 * time.Hour})
		if err != nil {
			return err
		}
		report, err := verifyBooks(ctx, s.err, pool)
		if err != nil {
			return err
		}
		if err := c.print(s.out, report); err != nil {
			return err
		}
		if !report.OK() {
			return errBooksWrong
		}
		return nil
	})
}

// verifyBooks verifies the journal and what other packages keep beside it.
func verifyBooks(ctx context.Context, progressTo io.Writer, pool *db.Pool) (ledger.Report, error) {
	report, err := ledger.Verify(ctx, pool, newProgress(progressTo, "verify").set)
	if err != nil {
		return report, err
	}
	if err := partners.Verify(ctx, pool, &report); err != nil {
		return report, err
	}
	return report, benefits.Verify(ctx, pool, &report)
}

func (c *verifyCommand) print(out io.Writer, report ledger.Report) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(report)
	}
	printChecks(out, report)
	return nil
}

// printChecks writes what was checked, and the rows that failed.
func printChecks(out io.Writer, report ledger.Report) {
	for _, check := range report.Checks {
		fmt.Fprintf(out, "  %s  %-86s %12d\n", check.Invariant, check.Name, check.Count)
	}
	for _, f := range report.Failures {
		fmt.Fprintf(out, "  %s  FAILED: %s: %s: %s\n", f.Invariant, f.Name, f.Row, f.Problem)
	}
	if report.OK() {
		fmt.Fprintln(out, "the books verify")
	}
}
