package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress shows how far a long task has come: a bar on a terminal, otherwise a plain line for every tenth of it.
type progress struct {
	to       io.Writer
	label    string
	terminal bool
	drawn    time.Time
	tenth    int64
}

func newProgress(to io.Writer, label string) *progress {
	return &progress{to: to, label: label, tenth: -1, terminal: isTerminal(to)}
}

// isTerminal reports whether a person looks at it, who is shown bars and colours.
func isTerminal(out io.Writer) bool {
	file, isFile := out.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

// The colours of a terminal.
const (
	green  = "\x1b[32m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	faint  = "\x1b[2m"
	normal = "\x1b[0m"
)

const barWidth = 30

// set shows that done of total is done. It may be called as often as one likes.
func (p *progress) set(done, total int64) {
	if total <= 0 {
		return
	}
	if !p.terminal {
		if tenth := done * 10 / total; tenth > p.tenth {
			p.tenth = tenth
			fmt.Fprintf(p.to, "%s %d%%\n", p.label, tenth*10)
		}
		return
	}
	if done < total && time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	filled := int(done * barWidth / total)
	fmt.Fprintf(p.to, "\r%s [%s%s] %d/%d", p.label, strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), done, total)
	if done >= total {
		fmt.Fprintln(p.to)
	}
}
