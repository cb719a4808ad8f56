//go:build torture

package ledger

// How many operations the state machine makes, without and with a database, in make torture.
const (
	machineOpsByDefault  = 1_000_000
	databaseOpsByDefault = 30_000
)
