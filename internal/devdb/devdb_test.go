package devdb_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/migrations"
)

func TestEveryTestHasItsOwnDatabase(t *testing.T) {
	first, second := devdb.NewDatabase(t), devdb.NewDatabase(t)
	a, b := devdb.Open(t, first.OwnerURL, db.Options{}), devdb.Open(t, second.OwnerURL, db.Options{})
	if err := migrations.Check(t.Context(), devdb.Open(t, first.URL, db.Options{})); err != nil {
		t.Error(err)
	}
	if _, err := a.Exec(t.Context(), `CREATE TABLE here (n INT8 NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Exec(t.Context(), `SELECT h.n FROM here AS h`); db.State(err) != "42P01" {
		t.Errorf("the other test's table is here too: %v", err)
	}
}

func TestTestsRunAsTheRuntimeRole(t *testing.T) {
	if err := migrations.CheckRuntimeRole(t.Context(), devdb.New(t)); err != nil {
		t.Error(err)
	}
}

func TestDataOutlivesKillAndRestart(t *testing.T) {
	s := start(t, devdb.Config{Dir: folder(t)})
	write(t, s, 1)
	for n := 2; n <= 3; n++ {
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(t, s, n)
	}
	if !strings.HasPrefix(s.Engine(), "PostgreSQL ") || !strings.Contains(s.Engine(), "private socket, /") {
		t.Errorf("the engine is %q", s.Engine())
	}
}

func TestDataOutlivesStop(t *testing.T) {
	dir := filepath.Join(folder(t), strings.Repeat("a-long-name-", 9)) // too long for a socket
	for n := 1; n <= 2; n++ {
		s := start(t, devdb.Config{Dir: dir})
		write(t, s, n)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(); err != nil {
			t.Errorf("a second stop: %v", err)
		}
	}
}

func TestLastingDataIsDurable(t *testing.T) {
	for _, cfg := range []devdb.Config{{Dir: folder(t)}, {Durable: true}} {
		conn := connect(t, start(t, cfg))
		for name, want := range map[string]string{
			"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "1GB",
			"max_wal_size": "8GB", "checkpoint_timeout": "5min", "listen_addresses": "",
		} {
			var got string
			if err := conn.QueryRow(t.Context(), `SELECT current_setting($1::text)`, name).Scan(&got); err != nil || got != want {
				t.Errorf("%+v: %s is %q, want %q (%v)", cfg, name, got, want, err)
			}
		}
	}
}

func TestSecondProcessJoinsTheServerOfAFolder(t *testing.T) {
	dir := filepath.Join(folder(t), "db")
	child, _ := startChild(t, dir)
	guest, err := devdb.Start(t.Context(), devdb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	write(t, guest, 1)
	if guest.Kill() == nil || guest.Restart(t.Context()) == nil {
		t.Error("killed or restarted another process's server")
	}
	if err := guest.Stop(); err != nil {
		t.Error(err)
	}
	write(t, guest, 2) // it was not ours to stop
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, as it should be
	write(t, start(t, devdb.Config{Dir: dir}), 3)
}

func TestWhatStaysUpDoesNotJoinAServerThatEnds(t *testing.T) {
	dir := filepath.Join(folder(t), "db")
	child, _ := startChild(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := devdb.Start(ctx, devdb.Config{Dir: dir, Alone: true}); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("while another process has the folder: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, as it should be
	write(t, start(t, devdb.Config{Dir: dir, Alone: true}), 1)
}

func TestManyBeginOnAFreshFolderAtOnce(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	dir := filepath.Join(folder(t), "db")
	servers, errs := make([]*devdb.Server, 4), make([]error, 4)
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() { servers[i], errs[i] = devdb.Start(t.Context(), devdb.Config{Dir: dir}) })
	}
	wg.Wait()
	for i, s := range servers {
		if errs[i] != nil {
			t.Error(errs[i])
			continue
		}
		defer func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}()
	}
}

func TestThrowAwayIsThrownAway(t *testing.T) {
	s := start(t, devdb.Config{Durable: true})
	_, dir, _ := strings.Cut(s.Engine(), "private socket, ")
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestServerOfDatabaseURLIsUsedAndLeftAlone(t *testing.T) {
	ours := start(t, devdb.Config{Durable: true})
	t.Setenv("DATABASE_URL", ours.URL(""))
	s, err := devdb.Start(t.Context(), devdb.Config{Dir: "/nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if s.URL("") != ours.URL("") || !strings.HasSuffix(s.Engine(), "DATABASE_URL") {
		t.Error(s.URL(""), s.Engine())
	}
	if s.Kill() == nil || s.Restart(t.Context()) == nil {
		t.Error("killed or restarted a server that is not ours")
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	connect(t, ours)
}

// folder is one that PostgreSQL's user can reach, which t.TempDir's is not for root's tests.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "devdb-test-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, cfg devdb.Config) *devdb.Server {
	t.Helper()
	t.Setenv("DATABASE_URL", "")
	s, err := devdb.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, s *devdb.Server) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // its server may be gone
	})
	return conn
}

// write adds the n-th row, and wants the ones before it to be there.
func write(t *testing.T, s *devdb.Server, n int) {
	t.Helper()
	conn := connect(t, s)
	var rows int
	for _, sql := range []string{`CREATE TABLE IF NOT EXISTS written (n INT8 NOT NULL)`, `INSERT INTO written (n) VALUES (1)`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM written`).Scan(&rows); err != nil || rows != n {
		t.Errorf("%d rows, want %d (%v)", rows, n, err)
	}
}
