//go:build torture

package torture_test

// How many times each process is killed, and how many times more if that hit nobody.
const (
	serverKills   = 50
	databaseKills = 20
	moreKills     = 100
)

// everyAnswerLost says whether an answer to every deed has to be lost after its COMMIT.
const everyAnswerLost = true
