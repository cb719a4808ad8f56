package devdb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// initdbArgs: any user of the private socket is trusted; C collation, so that text sorts as CockroachDB sorts it.
var initdbArgs = []string{"-U", Owner, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-instructions"}

// ensureData makes the data folder unless it is there. It appears whole or not at all.
func (c *cluster) ensureData(ctx context.Context) error {
	if _, err := os.Stat(c.data()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !c.throwAway {
		return c.initdb(ctx, c.data())
	}
	return c.copyTemplate(ctx)
}

func (c *cluster) initdb(ctx context.Context, data string, more ...string) error {
	unfinished := data + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	args := append([]string{"-D", unfinished}, initdbArgs...)
	cmd := c.user.command(ctx, filepath.Join(c.bin, "initdb"), append(args, more...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return os.Rename(unfinished, data)
}

// copyTemplate copies a fresh data folder from the user's cache, where the first call puts one: a copy takes a tenth
// of the time of initdb, and every package's tests start a server.
func (c *cluster) copyTemplate(ctx context.Context) error {
	template, err := c.template(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(template); err == nil {
		return copyTree(template, c.data(), c.user)
	}
	if err := c.initdb(ctx, c.data(), "--no-sync"); err != nil {
		return err
	}
	mine, err := os.MkdirTemp(filepath.Dir(template), "new-*")
	if err != nil {
		return fmt.Errorf("database template: %w", err)
	}
	defer func() { _ = os.RemoveAll(mine) }() // empty by then, or of no use
	if err := copyTree(c.data(), filepath.Join(mine, "data"), runAs{}); err != nil {
		return err
	}
	err = os.Rename(filepath.Join(mine, "data"), template)
	if errors.Is(err, fs.ErrExist) { // another process was faster, and its copy is as good
		return nil
	}
	return err
}

// template is where the cached data folder of this PostgreSQL is, or goes.
func (c *cluster) template(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, filepath.Join(c.bin, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask PostgreSQL's version: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // no home: a container's
	}
	dir := filepath.Join(cache, fmt.Sprintf("tallystick-%d", os.Geteuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("database template: %w", err)
	}
	key := sha256.Sum256([]byte(string(version) + strings.Join(initdbArgs, " ")))
	return filepath.Join(dir, fmt.Sprintf("postgres-%x", key[:8])), nil
}

// copyTree copies a folder of plain files and gives the copy to the user.
func copyTree(from, to string, user runAs) error {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if d.IsDir() {
			err = os.Mkdir(target, 0o700)
		} else {
			err = copyFile(path, target)
		}
		if err != nil {
			return err
		}
		return user.own(target)
	})
	if err != nil {
		return fmt.Errorf("copy the database template: %w", err)
	}
	return nil
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		return errors.Join(err, dst.Close())
	}
	return dst.Close()
}
