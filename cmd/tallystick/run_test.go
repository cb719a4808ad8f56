package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
)

// watched is a writer that tells when a text has been written to it.
type watched struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	wanted string
	seen   chan struct{}
}

func watch(wanted string) *watched { return &watched{wanted: wanted, seen: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	had := strings.Contains(w.buf.String(), w.wanted)
	n, err := w.buf.Write(p)
	if !had && strings.Contains(w.buf.String(), w.wanted) {
		close(w.seen)
	}
	return n, err
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// TestWhatRunSaysToTryWorks pastes what `run` prints into a shell, as its reader would, twice over two starts.
func TestWhatRunSaysToTryWorks(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED, what run prints is not tried: %v", err)
		}
	}
	onFreshDatabase(t)
	var first string
	for range 2 {
		ctx, stop := context.WithCancel(t.Context())
		out, errs := watch("Ctrl-C"), new(bytes.Buffer)
		ended := make(chan int, 1)
		go func() {
			ended <- execute(ctx, []string{"run", "--listen", "127.0.0.1:0"}, &streams{out: out, err: errs})
		}()
		select {
		case <-out.seen:
		case code := <-ended:
			t.Fatalf("run ended with %d: %s", code, errs)
		}
		answers := paste(t, out.String())
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("run ended with %d: %s", code, errs)
		}
		if first == "" {
			first = answers
		}
	}
	for _, want := range []string{
		`"outcome":"OUTCOME_POSTED"`, `"id":"gold"`, `"redeemable":true`, `"state":"VOUCHER_STATE_ISSUED"`, `"redemptionId"`,
		`"payableAmount":"80"`, `"total":"0"`,
	} {
		if !strings.Contains(strings.ReplaceAll(first, `": "`, `":"`), want) {
			t.Errorf("%s is missing in\n%s", want, first)
		}
	}
}

func TestRunKeepsTheProgrammeThatItsUserApplied(t *testing.T) {
	onFreshDatabase(t)
	start := func() string {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, errs := watch("Ctrl-C"), new(bytes.Buffer)
		ended := make(chan int, 1)
		go func() {
			ended <- execute(ctx, []string{"run", "--listen", "127.0.0.1:0"}, &streams{out: out, err: errs})
		}()
		select {
		case <-out.seen:
		case code := <-ended:
			t.Fatalf("run ended with %d: %s", code, errs)
		}
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("run ended with %d: %s", code, errs)
		}
		return out.String()
	}
	start()
	file := filepath.Join(t.TempDir(), "programme.yaml")
	if err := os.WriteFile(file, append([]byte("# mine\n"), vipClub...), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "apply", "-f", file)
	if out := start(); !strings.Contains(out, "vip-club, version 2,") {
		t.Errorf("the second start shows another version:\n%s", out)
	}
}

func TestABusyPortSaysHowToTakeAnother(t *testing.T) {
	onFreshDatabase(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var out, errs bytes.Buffer
	code := execute(t.Context(), []string{"run", "--listen", listener.Addr().String()}, &streams{out: &out, err: &errs})
	if code != 1 || !strings.Contains(errs.String(), "--listen") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// paste runs the indented lines of a text in a shell and returns what they print. An answer that is an error fails the
// test.
func paste(t *testing.T, text string) string {
	t.Helper()
	var script strings.Builder
	_, text, _ = strings.Cut(text, "Credentials")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			script.WriteString(line)
		}
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-euc", script.String()).CombinedOutput()
	if err != nil || strings.Contains(string(out), `"code":"not`) || strings.Contains(string(out), `"code":"failed`) ||
		strings.Contains(string(out), `"code":"invalid`) || strings.Contains(string(out), `"code":"un`) {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

func TestApplyChecksEverySectionAndPublishesStock(t *testing.T) {
	d := onFreshDatabase(t)
	for range 2 {
		if out := run(t, "apply", "-f", "demo/programme.yaml"); !strings.HasSuffix(out, "programme demonstration is at version 1\n") {
			t.Errorf("apply printed %q", out)
		}
	}
	var stock string
	err := devdb.Open(t, d.URL, db.Options{}).QueryRow(t.Context(),
		`SELECT balance::text FROM accounts WHERE unit = 'tea-tasting' AND place = 'stock'`).Scan(&stock)
	if err != nil || stock != "100" {
		t.Errorf("stock is %s, %v", stock, err)
	}
	file := filepath.Join(t.TempDir(), "programme.yaml")
	broken := strings.Replace(string(demonstration), "tier: gold", "tier: lead", 1)
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := execute(t.Context(), []string{"apply", "-f", file}, &streams{out: &out, err: &errs}); code != 1 || !strings.Contains(errs.String(), "lead") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
