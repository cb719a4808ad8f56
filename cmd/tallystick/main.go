// Command tallystick runs the ledger and everything around it: one subcommand a file.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands are the subcommands; to add one, add a field whose type has Run(context.Context, *streams) error.
type commands struct {
	Run  runCommand  `cmd:"" help:"Keep the service up on a local database, with the example of a VIP club."`
	Demo demoCommand `cmd:"" help:"Play the main job on real orders and print books that re-add."`

	Serve serveCommand `cmd:"" help:"Serve the API on an existing database."`
	Token tokenCommand `cmd:"" help:"Issue and revoke API keys."`
	Keys  keysCommand  `cmd:"" help:"Make and rotate the installation's secrets, which codes and receipts are made with."`

	Migrate migrateCommand `cmd:"" help:"Bring the database's schema up to date and make the runtime role."`
	Apply   applyCommand   `cmd:"" help:"Make a programme document the programme's current version."`
	Import  importCommand  `cmd:"" help:"Bring in files: activities, deliveries, metrics, tiers, visits."`
	Export  exportCommand  `cmd:"" help:"Write a programme's document as it was applied, or its members' tiers."`
	Schema  schemaCommand  `cmd:"" help:"Print the JSON Schema of a programme document, for editors."`
	Clock   clockCommand   `cmd:"" help:"Show a programme's clock, or move a sandbox's forward."`
	Period  periodCommand  `cmd:"" help:"Show the open period, or close everything before a time."`
	Rerate  rerateCommand  `cmd:"" help:"Rate every member; --dry-run reports who would move."`
	Rank    rankCommand    `cmd:"" help:"Give members their place among all in a period that is over, for tiers by percentile."`
	Sweep   sweepCommand   `cmd:"" help:"Post what is due: expired lots, timed-out holds, activations, unused vouchers, events and visits that are over."`
	Redate  redateCommand  `cmd:"" help:"Give a unit's lots another expiry, for all members: an extension or a mass expiry."`
	Verify  verifyCommand  `cmd:"" help:"Prove the invariants L1 to L8 from the journal alone."`

	Bench benchCommand `cmd:"" help:"Measure the ledger through its API, and what the database could do at most."`
}

// streams is where a subcommand writes: results to out, progress and remarks to err.
type streams struct {
	out, err io.Writer
}

func main() {
	debug.SetGCPercent(400) // our heap is small, and collecting it whenever it has doubled takes a quarter of our time under load
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	code := execute(ctx, os.Args[1:], &streams{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// execute runs one command line and returns the exit code: 0, 1 for a failure, 2 for a command line that is wrong.
func execute(ctx context.Context, args []string, s *streams) int {
	exit := -1
	parser, err := kong.New(new(commands),
		kong.Name("tallystick"),
		kong.Description("A loyalty points and partner-benefit ledger."),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { exit = code }), // after --help
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.err, "tallystick:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	switch {
	case exit >= 0:
		return exit
	case err != nil:
		fmt.Fprintf(s.err, "tallystick: %v; see tallystick --help\n", err)
		return 2
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(s.err, "tallystick:", err)
		return 1
	}
	return 0
}
