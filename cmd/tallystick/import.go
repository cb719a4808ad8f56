package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/google/uuid"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/keyring"
	"tallystick/ledger"
	"tallystick/partners"
)

type importCommand struct {
	Activities importActivitiesCommand `cmd:"" help:"Record the activities of a CSV file: bills, purchases, surveys."`
	Visits     importVisitsCommand     `cmd:"" help:"Charge the visits to lounges that an operator's CSV file reports."`
	Metrics    importMetricsCommand    `cmd:"" help:"Record what a CSV file reports of members' metrics: spend, tenure, influence."`
	Deliveries importDeliveriesCommand `cmd:"" help:"Take what an operator's CSV file reports of deliveries: shipped, delivered, returned, lost."`
	Tiers      importTiersCommand      `cmd:"" help:"Take over tiers that members hold elsewhere, as export tiers writes them."`
}

// ofClient are the arguments of imports whose lines have keys of a client.
type ofClient struct {
	fromFile
	Client string `default:"import" help:"Whose keys they are: what this client recorded by call is not recorded again."`
}

type importActivitiesCommand struct {
	ofClient
	File string `arg:"" type:"existingfile" help:"CSV with key, member, activity, and as needed at, amount, gifted, paid_in_points, channel, reference and the activities' fields."`
}

type importVisitsCommand struct {
	fromFile
	withKeys
	File     string `arg:"" type:"existingfile" help:"CSV with key (the operator's own id), lounge, at, visit or code, and guests."`
	Operator string `required:"" help:"The partner who runs the lounges and wrote the file."`
}

type importDeliveriesCommand struct {
	fromFile
	File     string `arg:"" type:"existingfile" help:"CSV with key (the operator's own id), claim and what, and as needed at, carrier and number."`
	Operator string `required:"" help:"The partner who delivers and wrote the file."`
}

type importMetricsCommand struct {
	ofClient
	File string `arg:"" type:"existingfile" help:"CSV with key, member, period, such as 2026 or 2026-H1, and a column for each metric."`
}

type importTiersCommand struct {
	ofClient
	File string `arg:"" type:"existingfile" help:"CSV with key, member, tier, until, and as needed group, source, from and reason."`
}

var errLinesRejected = errors.New("not every line is in the books")

// Run records what the programme's rules give for each line.
func (c *importActivitiesCommand) Run(ctx context.Context, s *streams) error {
	return c.take(ctx, s, c.File, c.Client, nil, (*benefits.Catalog).ImportActivities)
}

// Run records each line's report.
func (c *importMetricsCommand) Run(ctx context.Context, s *streams) error {
	return c.take(ctx, s, c.File, c.Client, nil, (*benefits.Catalog).ImportMetrics)
}

// Run gives each line's tier until its time.
func (c *importTiersCommand) Run(ctx context.Context, s *streams) error {
	return c.take(ctx, s, c.File, c.Client, nil, (*benefits.Catalog).ImportTiers)
}

// Run takes each line's report.
func (c *importDeliveriesCommand) Run(ctx context.Context, s *streams) error {
	return c.take(ctx, s, c.File, c.Operator, nil, (*benefits.Catalog).ImportDeliveries)
}

// Run charges each line's visit.
func (c *importVisitsCommand) Run(ctx context.Context, s *streams) error {
	keys, err := c.ring(c.Dir) // a line may name a pass by its code
	if err != nil {
		return err
	}
	return c.take(ctx, s, c.File, c.Operator, keys, (*benefits.Catalog).ImportVisits)
}

// fromFile is what every import does.
type fromFile struct {
	onProgramme
}

// importing takes a file into the books.
type importing func(*benefits.Catalog, context.Context, uuid.UUID, benefits.SourceFile, ledger.Request) (benefits.Import, error)

// take imports a file. Why a line is not accepted is written beside it, with its column and reason.
func (c *fromFile) take(ctx context.Context, s *streams, path, client string, keys *keyring.Ring, into importing) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it is only read
	content, lines, err := measure(file)
	if err != nil {
		return err
	}
	rejected := &verdicts{path: path + ".rejected.csv"}
	bar := newProgress(s.err, "lines")
	var done benefits.Import
	err = c.with(ctx, func(d *database, programme uuid.UUID) error {
		pool, err := d.pool(ctx, db.Options{ByIndex: true})
		if err != nil {
			return err
		}
		catalog := benefits.New(d.ledger, pool, partners.New(d.ledger, pool, keys))
		r := byOperator("", "")
		r.Client = client
		done, err = into(catalog, ctx, programme, benefits.SourceFile{
			Lines: file, Content: content, Reject: rejected.add, Tell: func(i benefits.Import) { bar.set(i.Read, max(lines, i.Read)) },
		}, r)
		return err
	})
	if err = errors.Join(err, rejected.close()); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d lines: %d recorded, %d known before, %d changed nothing, %d rejected\n", done.Read, done.Recorded, done.Known, done.Nothing, done.Rejected)
	if done.Rejected > 0 {
		fmt.Fprintf(s.out, "%s says which and why: mend those lines and import the file again, nothing is recorded twice\n", rejected.path)
		return errLinesRejected
	}
	return nil
}

// measure hashes a file, counts its lines below the header and goes back to its beginning.
func measure(file *os.File) (content [sha256.Size]byte, lines int64, err error) {
	hash, buffer := sha256.New(), make([]byte, 1<<20)
	for err == nil {
		var n int
		n, err = file.Read(buffer)
		hash.Write(buffer[:n])
		lines += int64(bytes.Count(buffer[:n], []byte{'\n'}))
	}
	if !errors.Is(err, io.EOF) {
		return content, 0, err
	}
	_, err = file.Seek(0, io.SeekStart)
	return [sha256.Size]byte(hash.Sum(nil)), max(lines-1, 0), err
}

// verdicts is the file of rejected lines, made with the first of them.
type verdicts struct {
	path string
	file *os.File
	rows *csv.Writer
}

func (v *verdicts) add(verdict benefits.Verdict) error {
	if v.file == nil {
		var err error
		if v.file, err = os.OpenFile(v.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		v.rows = csv.NewWriter(v.file)
	}
	return v.rows.Write([]string{strconv.Itoa(verdict.Line), verdict.Key, verdict.Column, verdict.Reason})
}

func (v *verdicts) close() error {
	if v.file == nil {
		return nil
	}
	v.rows.Flush()
	return errors.Join(v.rows.Error(), v.file.Close())
}
