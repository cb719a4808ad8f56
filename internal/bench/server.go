package bench

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// server is the API that is measured, in a process of its own.
type server struct {
	address string
	pid     int
	exited  chan error
	log     strings.Builder // complete when it has exited
}

// serve starts this program's own serve command on the database. It sweeps nothing by itself: the sweep is measured.
func (b *bench) serve() (*server, error) {
	//nolint:noctx // it outlives the measurements, and is told to end by a signal
	command := exec.Command(b.Program, "serve", "--database-url", b.database.RuntimeURL(""), "--listen", "127.0.0.1:0",
		"--environment", environment, "--key-file", b.keyFile(), "--unlimited", clientName, "--sweep", "0s")
	s := &server{exited: make(chan error, 1)}
	command.Stderr = &s.log
	command.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL, // it ends with us, however we end
		Setpgid:   true,            // Ctrl-C is for us: we end the server when we are done with it
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel sends Pdeathsig when the thread ends that started the process
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			s.exited <- command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("bench: start the server: %w", err)
	}
	s.pid = command.Process.Pid
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bench: the server did not start: %w", err), s.stop())
	}
	words := strings.Fields(line)
	u, err := url.Parse(words[len(words)-1])
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bench: the server said %q", line), s.stop())
	}
	s.address = u.Host
	return s, nil
}

// stop ends the server as an operator would.
func (s *server) stop() error {
	if err := syscall.Kill(s.pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("bench: stop the server: %w", err)
	}
	if err := <-s.exited; err != nil {
		return fmt.Errorf("bench: the server ended badly: %w\n%s", err, s.log.String())
	}
	return nil
}

// printMemory says the most memory that the server held.
func (b *bench) printMemory() {
	if b.server == nil {
		return
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.server.pid))
	if err != nil {
		return // not Linux
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			b.print("server memory at most: %s", strings.TrimSpace(value))
		}
	}
}
