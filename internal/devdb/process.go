package devdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// reaper is a shell that waits for our end, which it sees by its input closing even when we are killed, and then
// stops the server and removes a throw-away's folder.
type reaper struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

// Each line of input is the process of a server that has been started; "done" means that there is none any more. It is
// told the process, and does not look into the folder, where another owner's server may be by then. It waits for a minute
// at most, and not for a zombie, which a container without an init keeps for ever. $1 is the folder to remove, or nothing.
const reap = `while read -r line; do
	[ "$line" = "done" ] && exit 0
	pid=$line
done
[ -n "$pid" ] && kill -INT "$pid" 2>/dev/null
left=1200
while [ -n "$pid" ] && [ "$left" -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
	case "$(cat "/proc/$pid/stat" 2>/dev/null)" in *") Z "*) break ;; esac
	left=$((left - 1))
	sleep 0.05
done
[ -z "$1" ] || rm -rf "$1"`

func (c *cluster) startReaper(ctx context.Context) (*reaper, error) {
	remove := ""
	if c.throwAway {
		remove = c.dir
	}
	cmd := c.user.command(context.WithoutCancel(ctx), "/bin/sh", "-c", reap, "reaper", remove)
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	return &reaper{cmd, input}, nil
}

// watch tells the reaper which server to stop.
func (r *reaper) watch(pid int) error {
	if _, err := fmt.Fprintln(r.input, pid); err != nil {
		return fmt.Errorf("tell the reaper: %w", err)
	}
	return nil
}

// dismiss ends the reaper when there is nothing left to do for it.
func (r *reaper) dismiss() {
	_, _ = io.WriteString(r.input, "done\n") // a reaper that is gone already needs no telling
	_ = r.input.Close()
	_ = r.cmd.Wait()
}

const throwAwayPrefix = "tallystick-db-"

// memory is a file system that makes a database's three hundred files ten times as fast as a disk does.
const memory = "/dev/shm"

// fastDir is where throw-aways go that need not be durable: memory, where there is plenty.
func fastDir() string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err == nil && fs.Bavail*uint64(fs.Bsize) > 4<<30 {
		return memory
	}
	return os.TempDir()
}

// sweep removes throw-away folders whose process and reaper were both killed. A folder is locked as soon as it is
// there; the minute is for one that is being made right now.
func sweep() {
	var dirs []string
	for _, parent := range []string{os.TempDir(), memory} {
		found, _ := filepath.Glob(filepath.Join(parent, throwAwayPrefix+"*")) // the pattern is right
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := lockFile(filepath.Join(dir, "lock"))
		if err != nil {
			continue // somebody's, or another user's
		}
		if endOrphan(filepath.Join(dir, "data")) == nil {
			_ = os.RemoveAll(dir) // what cannot be removed now is tried again next time
		}
		_ = lock.Close()
	}
}

var errInUse = errors.New("in use by another process")

// lockFile takes an exclusive lock on a file, or fails at once. Closing the file, or our end, releases it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errInUse
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// endOrphan stops a server that still runs on a data folder whose owner is gone. A pid file that a crash left behind
// does no harm: the number must belong to a process that was started for this very folder.
func endOrphan(data string) error {
	pid := postmaster(data)
	if pid == 0 {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the server left on %s: %w", data, err)
	}
	for range int(30 * time.Second / pause) {
		if !alive(pid) {
			return nil
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("the server left on %s (process %d) does not stop", data, pid)
}

// postmaster is the process that serves a data folder, or 0.
func postmaster(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || !alive(pid) {
		return 0
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil && !bytes.Contains(args, []byte(data+"\x00")) {
		return 0
	}
	return pid
}

// alive reports whether a process is there and is no zombie, which holds nothing any more.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	state, _ := stat(pid)
	return state != "Z"
}

// children lists the processes that a process has started. Where there is no /proc it finds none, and the children
// of a killed postmaster end by themselves a little later.
func children(parent int) []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if _, ppid := stat(pid); ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat reads a process's state and parent from /proc; its name stands in brackets before them and can hold anything.
func stat(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1]) // 0 is nobody's child
	return fields[0], parent
}
