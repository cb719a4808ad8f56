package devdb_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tallystick/internal/devdb"
)

// A process of these tests that starts a server, says which, and waits to be killed.
func TestMain(m *testing.M) {
	dir, child := os.LookupEnv("DEVDB_CHILD")
	if !child {
		os.Exit(m.Run())
	}
	s, err := devdb.Start(context.Background(), devdb.Config{Dir: dir, Durable: dir == ""})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, folder, _ := strings.Cut(s.Engine(), "private socket, ")
	fmt.Println(folder)
	select {}
}

func TestServerEndsWithItsKilledParent(t *testing.T) {
	for name, dir := range map[string]string{"throw-away": "", "lasting": filepath.Join(folder(t), "db")} {
		t.Run(name, func(t *testing.T) {
			child, data := startChild(t, dir)
			pid := serverPID(t, data)
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = child.Wait() // killed, as it should be
			waitFor(t, "the server's end", func() bool { return !devdb.Alive(pid) })
			if dir == "" {
				waitFor(t, "the folder's end", func() bool { _, err := os.Stat(data); return os.IsNotExist(err) })
			}
		})
	}
}

func TestLeftServerIsEndedAndItsFolderTakenOver(t *testing.T) {
	dir := filepath.Join(folder(t), "db")
	child, data := startChild(t, dir)
	pid := serverPID(t, data)
	killReaper(t, child.Process.Pid)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, as it should be
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("no server was left behind: %v", err)
	}
	write(t, start(t, devdb.Config{Dir: dir}), 1)
	if serverPID(t, data) == pid {
		t.Error("the server is still the old one")
	}
}

func TestStaleThrowAwayIsSwept(t *testing.T) {
	child, data := startChild(t, "")
	pid := serverPID(t, data)
	killReaper(t, child.Process.Pid)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, as it should be
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(data, old, old); err != nil {
		t.Fatal(err)
	}
	start(t, devdb.Config{Durable: true}) // sweeps, unless another process does at this moment
	waitFor(t, "the folder's end", func() bool { _, err := os.Stat(data); return os.IsNotExist(err) })
	waitFor(t, "its server's end", func() bool { return !devdb.Alive(pid) })
}

func startChild(t *testing.T, dir string) (child *exec.Cmd, data string) {
	t.Helper()
	child = exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "DEVDB_CHILD="+dir, "DATABASE_URL=")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return child, strings.TrimSpace(line)
}

func serverPID(t *testing.T, folder string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// killReaper leaves a process's server without anybody to end it.
func killReaper(t *testing.T, parent int) {
	t.Helper()
	for _, pid := range devdb.Children(parent) {
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(args), "\x00reaper\x00") {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("there is no reaper")
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
