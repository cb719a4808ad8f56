package devdb

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// durable is PostgreSQL's default durability, said aloud, with room for memory and checkpoints.
var durable = []string{
	"fsync=on", "synchronous_commit=on", "full_page_writes=on",
	"shared_buffers=1GB", "max_wal_size=8GB",
}

// fast is for data that nobody will miss.
var fast = []string{
	"fsync=off", "synchronous_commit=off", "full_page_writes=off",
	"shared_buffers=128MB", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=256MB",
}

// cluster is one PostgreSQL server with its folder:
//
//	lock            held by the process whose server it is, and released by the kernel when that ends
//	data            PostgreSQL's own
//	postgres.log    what it says
//	.s.PGSQL.5432   its socket, unless the folder's name is too long for one
type cluster struct {
	user      runAs
	bin       string
	dir       string
	socketDir string
	throwAway bool
	settings  []string

	lock    *os.File
	reaper  *reaper
	process *exec.Cmd
	exited  chan struct{} // closed when process has ended
}

func newCluster(cfg Config) (*cluster, error) {
	bin, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	user, err := unprivileged()
	if err != nil {
		return nil, err
	}
	c := &cluster{user: user, bin: bin, dir: cfg.Dir, throwAway: cfg.Dir == "", settings: durable}
	if c.throwAway {
		sweep()
		parent := os.TempDir()
		if !cfg.Durable {
			c.settings, parent = fast, fastDir()
		}
		if c.dir, err = os.MkdirTemp(parent, throwAwayPrefix+"*"); err != nil {
			return nil, fmt.Errorf("throw-away database: %w", err)
		}
	}
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return nil, err
	}
	return c, c.makeFolders()
}

func (c *cluster) makeFolders() error {
	if !c.user.canReach(c.dir) {
		return fmt.Errorf("PostgreSQL's user cannot reach %s: choose a folder outside of root's own", c.dir)
	}
	c.socketDir = c.dir
	if len(c.dir) > 80 { // a socket's path has 107 bytes at most
		h := fnv.New64a()
		_, _ = h.Write([]byte(c.dir))
		c.socketDir = fmt.Sprintf("/tmp/tallystick-%d-%x", os.Geteuid(), h.Sum64())
	}
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o755); err != nil {
		return fmt.Errorf("database folder: %w", err)
	}
	for _, dir := range []string{c.dir, c.socketDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("database folder: %w", err)
		}
		if err := c.user.own(dir); err != nil {
			return fmt.Errorf("database folder: %w", err)
		}
	}
	return nil
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

// start takes the folder, ends a server that its last owner may have left, and starts our own.
func (c *cluster) start(ctx context.Context) error {
	if c.lock == nil {
		lock, err := lockFile(filepath.Join(c.dir, "lock"))
		if err != nil {
			return fmt.Errorf("%s: %w", c.dir, err)
		}
		c.lock = lock
	}
	if err := endOrphan(c.data()); err != nil {
		return err
	}
	if err := c.ensureData(ctx); err != nil {
		return err
	}
	if c.reaper == nil {
		r, err := c.startReaper(ctx)
		if err != nil {
			return err
		}
		c.reaper = r
	}
	args := []string{
		"-D", c.data(), "-k", c.socketDir, "-c", "listen_addresses=", "-c", "max_connections=200",
		"-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "log_checkpoints=on",
	}
	for _, s := range c.settings {
		args = append(args, "-c", s)
	}
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("database log: %w", err)
	}
	defer func() { _ = log.Close() }()
	c.process = c.user.command(context.WithoutCancel(ctx), filepath.Join(c.bin, "postgres"), args...)
	c.process.Stdout, c.process.Stderr = log, log
	if err := c.process.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	c.exited = make(chan struct{})
	go func(p *exec.Cmd, exited chan struct{}) {
		_ = p.Wait() // how it ended is in its log
		close(exited)
	}(c.process, c.exited)
	return c.reaper.watch(c.process.Process.Pid)
}

func (c *cluster) logFile() string { return filepath.Join(c.dir, "postgres.log") }

// waitReady waits until the server answers, which can take a while after a crash, and returns a connection to it.
func (c *cluster) waitReady(ctx context.Context, url string) (*pgx.Conn, error) {
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for PostgreSQL: %w: %w", ctx.Err(), err)
		case <-c.exited:
			return nil, fmt.Errorf("PostgreSQL did not start: %s", c.lastWords())
		case <-time.After(pause):
		}
	}
}

func (c *cluster) lastWords() string {
	text, err := os.ReadFile(c.logFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// stop ends the server in order; clients that are still connected lose their connections.
func (c *cluster) stop() error {
	if c.process == nil {
		return nil
	}
	if err := c.process.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	<-c.exited
	c.process = nil
	return nil
}

// discard stops the server and lets go of its folder, which is removed when it was a throw-away. Another process's
// folder is left alone.
func (c *cluster) discard() error {
	if c.lock == nil {
		return nil
	}
	err := c.stop()
	if c.reaper != nil {
		c.reaper.dismiss()
		c.reaper = nil
	}
	if c.throwAway {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	if c.socketDir != c.dir {
		err = errors.Join(err, os.RemoveAll(c.socketDir))
	}
	err = errors.Join(err, c.lock.Close())
	c.lock = nil
	return err
}

// kill ends the postmaster and all its children with SIGKILL. The postmaster is halted first: it would start new ones.
func (c *cluster) kill() error {
	if c.process == nil {
		return errors.New("PostgreSQL is not running")
	}
	postmaster := c.process.Process.Pid
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	family := append(children(postmaster), postmaster)
	for _, pid := range family {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill PostgreSQL: %w", err)
		}
	}
	<-c.exited
	for _, pid := range family {
		for alive(pid) {
			time.Sleep(pause)
		}
	}
	c.process = nil
	return nil
}
