//go:build torture

package torture_test

// How many times each process is killed.
const (
	serverKills   = 50
	databaseKills = 20
)

// everyAnswerLost says whether there are so many kills that an answer to each kind of request must have been lost.
const everyAnswerLost = true
