package devdb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

func cockroachBinary() string {
	if bin := os.Getenv("COCKROACH_BINARY"); bin != "" {
		return bin
	}
	bin, _ := exec.LookPath("cockroach") // "" when there is none
	return bin
}

// postgresBinaries is the folder of initdb and postgres: of the newest Debian package, or of the one in PATH.
func postgresBinaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is right
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })), nil
	}
	for _, name := range []string{"initdb", "postgres"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "initdb")); err == nil {
			return filepath.Dir(path), nil
		}
	}
	return "", ErrNoDatabase
}

// major reads the version from /usr/lib/postgresql/15/bin/initdb.
func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 for an odd folder: any other is newer
	return n
}

// runAs is the operating-system user that PostgreSQL runs as: ourselves, or an unprivileged user when we are root,
// whom it refuses.
type runAs struct {
	root     bool
	uid, gid int
}

func unprivileged() (runAs, error) {
	if os.Geteuid() != 0 {
		return runAs{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if errUID == nil && errGID == nil {
			return runAs{root: true, uid: uid, gid: gid}, nil
		}
	}
	return runAs{}, fmt.Errorf("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

// command prepares a process in a session of its own, so that ^C in our terminal does not end it under us. The end of
// ctx kills it.
func (r runAs) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/" // the user may not be able to enter ours
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if r.root {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(r.uid), Gid: uint32(r.gid)}
	}
	return cmd
}

// own gives a file to the user.
func (r runAs) own(path string) error {
	if !r.root {
		return nil
	}
	return os.Lchown(path, r.uid, r.gid)
}

// canReach reports whether the user may enter every folder above dir.
func (r runAs) canReach(dir string) bool {
	for parent := filepath.Dir(dir); r.root; parent = filepath.Dir(parent) {
		if info, err := os.Stat(parent); err == nil && !r.mayEnter(info) {
			return false
		}
		if parent == filepath.Dir(parent) {
			break
		}
	}
	return true
}

func (r runAs) mayEnter(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return false
	case int(st.Uid) == r.uid:
		return info.Mode()&0o100 != 0
	case int(st.Gid) == r.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// DefaultDir is where the data of `run` is kept: .data/db below the current folder. When that is root's own, which
// PostgreSQL's user cannot enter, it is /var/lib/tallystick.
func DefaultDir() (string, error) {
	dir, err := filepath.Abs(".data/db")
	if err != nil {
		return "", err
	}
	user, err := unprivileged()
	if err != nil || user.canReach(dir) {
		return dir, err
	}
	return "/var/lib/tallystick", nil
}
