//go:build !torture

package ledger

// How many operations the state machine makes, without and with a database, in make test.
const (
	machineOpsByDefault  = 100_000
	databaseOpsByDefault = 3_000
)
