package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// cpu is the processor time that processes have used. It says what a call costs even when the machine is busy with other
// things, which the rates do not.
type cpu struct{ client, server, database time.Duration }

func (b *bench) cpu() cpu {
	self := os.Getpid()
	c := cpu{client: cpuOf(self, false), database: cpuOf(b.postmaster, true)}
	if b.server != nil && b.server.pid != self {
		c.server = cpuOf(b.server.pid, false)
	}
	return c
}

// per is what was used since before, for each of n units, in microseconds.
func (c cpu) per(before cpu, n int) (client, server, database float64) {
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(max(n, 1)) }
	return each(c.client - before.client), each(c.server - before.server), each(c.database - before.database)
}

// stat is what /proc says of a process. It is empty when there is none, or no /proc.
type stat struct {
	name   string
	parent int
	own    time.Duration
	reaped time.Duration // of children that have ended
}

func statOf(pid int) stat {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}
	}
	line := string(text)
	from, to := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if from < 0 || to < from {
		return stat{}
	}
	fields := strings.Fields(line[to+1:])
	const parent, user, system, userReaped, systemReaped = 1, 11, 12, 13, 14
	if len(fields) <= systemReaped {
		return stat{}
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i]) // /proc writes numbers
		return n
	}
	const tick = 10 * time.Millisecond
	return stat{
		name: line[from+1 : to], parent: number(parent),
		own:    time.Duration(number(user)+number(system)) * tick,
		reaped: time.Duration(number(userReaped)+number(systemReaped)) * tick,
	}
}

func cpuOf(pid int, family bool) time.Duration {
	s := statOf(pid)
	if !family {
		return s.own
	}
	total := s.own + s.reaped
	for _, child := range childrenOf(pid) {
		total += statOf(child).own
	}
	return total
}

func childrenOf(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var children []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && statOf(pid).parent == parent {
			children = append(children, pid)
		}
	}
	return children
}

// findPostmaster finds the database server that this process started; 0 when it did not.
func findPostmaster() int {
	for _, child := range childrenOf(os.Getpid()) {
		if statOf(child).name == "postgres" {
			return child
		}
	}
	return 0
}
