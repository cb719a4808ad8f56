package torture_test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/migrations"
)

const document = `
programme: torture
zone: Asia/Shanghai
units:
  - {code: points, kind: points}
`

// rig is a database that keeps its promises, two servers on it as processes of their own, and a key to call them with.
type rig struct {
	database  *devdb.Server
	binary    string
	servers   [2]*server
	programme uuid.UUID
	http      *http.Client
}

// server is one process of `tallystick serve`.
type server struct {
	url     atomic.Pointer[string] // of the process that runs, or ran last
	process *exec.Cmd
	log     *os.File
}

// newRig starts everything. The test's goroutine stays on its thread, with which the processes end.
func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Getenv("DATABASE_URL") != "" {
		t.Skip("SKIPPED: the server of DATABASE_URL is not ours to kill")
	}
	runtime.LockOSThread()
	r := &rig{binary: filepath.Join(t.TempDir(), "tallystick")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", r.binary, "tallystick/cmd/tallystick")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var err error
	if r.database, err = devdb.Start(t.Context(), devdb.Config{Durable: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.database.Stop(); err != nil {
			t.Error(err)
		}
	})
	r.prepare(t)
	for i := range r.servers {
		r.servers[i] = &server{}
		r.start(t, r.servers[i])
		t.Cleanup(func() { r.servers[i].kill(t) })
	}
	return r
}

// prepare migrates the database, applies the programme and issues the key.
func (r *rig) prepare(t *testing.T) {
	t.Helper()
	owner := devdb.Open(t, r.database.URL(""), db.Options{StatementTimeout: time.Minute})
	if _, err := migrations.Apply(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	pool := devdb.Open(t, r.database.RuntimeURL(""), db.Options{Poster: true})
	l := ledger.New(pool, pool)
	defer l.Close()
	p, err := l.ApplyProgramme(t.Context(), []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	r.programme = p.ID
	token, err := auth.NewKeys(pool, "torture").Issue(t.Context(), auth.Grant{
		Programme: p.ID, Role: auth.System, Client: "torture", Life: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.http = &http.Client{Transport: &bearer{token, &http.Transport{MaxIdleConnsPerHost: clients}}}
}

// bearer puts the key on every call.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// start starts a server process and waits until it says where it listens.
func (r *rig) start(t *testing.T, s *server) {
	t.Helper()
	if s.log == nil {
		log, err := os.Create(filepath.Join(t.TempDir(), "serve.log"))
		if err != nil {
			t.Fatal(err)
		}
		s.log = log
		t.Cleanup(func() { _ = log.Close() })
	}
	s.process = exec.Command(r.binary, "serve", "--listen", "127.0.0.1:0", "--environment", "torture",
		"--unlimited", "torture", "--sweep", "1s", "--database-url", r.database.RuntimeURL(""))
	s.process.Env = append(os.Environ(), "DATABASE_URL=")
	s.process.SysProcAttr, s.process.Stderr = withUs, s.log
	out, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		text, _ := os.ReadFile(s.log.Name())
		t.Fatalf("serve: %v\n%s", err, text)
	}
	fields := strings.Fields(line)
	s.url.Store(&fields[len(fields)-1])
}

// kill ends the process as a power cut would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.process.Wait() // killed, as it should be
	s.process = nil
}

// progress counts what was acknowledged, and lets the killer wait for more.
type progress struct {
	mu   sync.Mutex
	cond *sync.Cond
	acks int
	over bool
}

func newProgress() *progress {
	p := &progress{}
	p.cond = sync.NewCond(&p.mu)
	return p
}

func (p *progress) ack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acks++
	p.cond.Broadcast()
}

// more waits for n more acknowledgements.
func (p *progress) more(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for goal := p.acks + n; p.acks < goal; {
		p.cond.Wait()
	}
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

func (p *progress) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// openLedger is a ledger of the test's own on the rig's database, to read the books with.
func (r *rig) openLedger(t *testing.T) (*ledger.Ledger, *db.Pool) {
	t.Helper()
	pool := devdb.Open(t, r.database.RuntimeURL(""), db.Options{Poster: true})
	reports := devdb.Open(t, r.database.RuntimeURL(""), db.Options{StatementTimeout: 10 * time.Minute})
	l := ledger.New(pool, reports)
	t.Cleanup(l.Close)
	return l, reports
}

// ready waits until a server answers that it is.
func (r *rig) ready(ctx context.Context, s *server) bool {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, *s.url.Load()+"/readyz", http.NoBody)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}
