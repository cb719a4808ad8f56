package migrations_test

import (
	"sync"
	"testing"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/migrations"
)

// Roles belong to the whole server, so migrations of different databases race for this one. A server of its own is
// the only place where it is not there yet.
func TestRoleIsMadeOnceWhateverRacesIt(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	for range 3 {
		s, err := devdb.Start(t.Context(), devdb.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Stop() })
		maintenance := devdb.Open(t, s.URL(""), db.Options{})
		var wg sync.WaitGroup
		for _, name := range []string{"one", "two", "three", "four"} {
			statement(t, maintenance, "CREATE DATABASE "+name)
			pool := devdb.Open(t, s.URL(name), db.Options{})
			wg.Go(func() {
				if _, err := migrations.Apply(t.Context(), pool); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
