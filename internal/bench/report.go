package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// WriteJSON writes results as a list of objects.
func WriteJSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(results)
}

func (b *bench) print(format string, args ...any) {
	if b.Out != nil {
		_, _ = fmt.Fprintf(b.Out, format+"\n", args...)
	}
}

func (b *bench) head() {
	b.print("%61s   processor µs each", "")
	b.print("%-20s %8s %12s %9s %9s %8s %8s %9s", "name", "clients", "per second", "p50 ms", "p99 ms", "client", "server", "database")
}

func (b *bench) row(r Result) {
	b.print("%-20s %8d %12.0f %9.2f %9.2f %8.0f %8.0f %9.0f", r.Name, r.Clients, r.PerSecond, r.P50, r.P99,
		r.ClientCPU, r.ServerCPU, r.DatabaseCPU)
}

// note says on the side what is going on.
func (b *bench) note(format string, args ...any) {
	if b.Progress != nil {
		_, _ = fmt.Fprintf(b.Progress, format+"\n", args...)
	}
}

// bar shows how far something is, on one line of a terminal. Elsewhere it only says how long it took.
type bar struct {
	b     *bench
	what  string
	total int64
	at    atomic.Int64
	began time.Time
	shown atomic.Int64 // per cent
}

func (b *bench) bar(what string, total int) *bar {
	return &bar{b: b, what: what, total: int64(max(total, 1)), began: time.Now()}
}

func (p *bar) add(n int) { p.show(p.at.Add(int64(n))) }

func (p *bar) set(at int64) {
	p.at.Store(at)
	p.show(at)
}

func (p *bar) show(at int64) {
	percent := 100 * at / p.total
	if !isTerminal(p.b.Progress) || p.shown.Swap(percent) == percent {
		return
	}
	const width = 30
	full := int(min(percent, 100)) * width / 100
	_, _ = fmt.Fprintf(p.b.Progress, "\r%-22s [%s%s] %3d %%", p.what,
		strings.Repeat("#", full), strings.Repeat(".", width-full), percent)
}

func (p *bar) done() {
	start := ""
	if isTerminal(p.b.Progress) {
		start = "\r"
	}
	p.b.note("%s%-22s %d in %.1f s %30s", start, p.what, p.at.Load(), time.Since(p.began).Seconds(), "")
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

const sqlSettings = `
SELECT s.name, current_setting(s.name)
FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY($1::text[])
ORDER BY s.name`

// printSettings says what the database promises and how much memory it has.
func (b *bench) printSettings(ctx context.Context) {
	rows, err := b.owner.Query(ctx, sqlSettings, []string{
		"fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "wal_level", "checkpoint_timeout",
	})
	if err != nil {
		b.print("settings: %v", err)
		return
	}
	var list []string
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { list = append(list, name+"="+value); return nil })
	if err != nil {
		b.print("settings: %v", err)
		return
	}
	b.print("%s\n%s", b.owner.Version(), strings.Join(list, " "))
}
