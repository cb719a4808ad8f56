package devdb_test

import (
	"testing"
	"time"

	"tallystick/internal/devdb"
)

func TestEveryTestHasItsOwnDatabase(t *testing.T) {
	start := time.Now()
	for range 4 {
		pool := devdb.New(t)
		t.Log(time.Since(start))
		var n int
		if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM transactions").Scan(&n); err != nil || n != 0 {
			t.Fatal(n, err)
		}
	}
}
