package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// beTallystick makes this test binary the command itself, so that tests can kill it.
const beTallystick = "TALLYSTICK_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(beTallystick) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command prepares a command line in a process of its own.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), beTallystick+"=1")
	return cmd
}

// run executes a command line in this process and returns what it printed; a failure ends the test.
func run(t *testing.T, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	if code := execute(t.Context(), args, &streams{out: &out, err: &err}); code != 0 {
		t.Fatalf("tallystick %v: exit code %d\n%s", args, code, err.String())
	}
	return out.String()
}

func TestWrongCommandLinesExitWith2(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"nonsense"}, {"demo", "--nonsense"}, {"demo", "--orders", "/no/such/file"}} {
		var out, err bytes.Buffer
		if code := execute(t.Context(), args, &streams{out: &out, err: &err}); code != 2 || err.Len() == 0 {
			t.Errorf("tallystick %v: exit code %d, said %q", args, code, err.String())
		}
	}
}

func TestHelpExitsWith0(t *testing.T) {
	t.Parallel()
	if out := run(t, "--help"); !bytes.Contains([]byte(out), []byte("demo")) {
		t.Errorf("help does not name the commands:\n%s", out)
	}
}

// readUntil reads lines until one of them is wanted, and reports whether it came. The rest is left to be drained by the
// end of the process.
func readUntil(r io.Reader, wanted string) bool {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.Contains(lines.Text(), wanted) {
			return true
		}
	}
	return false
}
