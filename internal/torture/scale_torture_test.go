//go:build torture

package torture_test

// How many times each process is killed.
const (
	serverKills   = 50
	databaseKills = 20
)
