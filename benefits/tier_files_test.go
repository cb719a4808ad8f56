package benefits_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tallystick/benefits"
)

// exported are the lines of an export, without their keys.
func (c club) exported(t *testing.T) (lines []string) {
	t.Helper()
	err := c.ExportTiers(t.Context(), c.Programme, func(r benefits.TierRow) error {
		lines = append(lines, strings.Join([]string{
			r.Member, r.Group, r.Tier, string(r.Source), r.From.Format(time.RFC3339), r.Until.Format(time.RFC3339), r.Reason,
		}, ","))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestAFileOfTiersIsTakenLineByLineOnce(t *testing.T) {
	t.Parallel()
	c := newSources(t)
	const file = "key,member,group,tier,source,from,until,reason\n" +
		"1,ann,club,gold,points,2025-05-01,2026-09-01,\n" +
		"2,bob,,silver,,,2026-09-01,status match\n" +
		"3,bob,,platinum,,,2026-08-01,the chairman asks\n" + // takes the place of the line before
		"4,eve,club,diamond,,,2026-09-01,x\n" +
		"5,eve,club,gold,,,2025-09-01,x\n" +
		"6,eve,club,gold,,,2026-09-01,\n" +
		"7,eve,club,gold,,2026-08-31,2026-09-01,x\n" +
		"8,eve,grades,grade-a,,,2026-09-01,x\n" +
		"9,e ve,club,gold,,,2026-09-01,x\n" +
		"10,eve,club,gold,,,soon,x\n" +
		"1,ann,club,platinum,points,2025-05-01,2026-09-01,\n"
	done, rejected, err := c.importingBy(t.Context(), t, c.ImportTiers, file, quiet)
	if want := (benefits.Import{Read: 11, Recorded: 3, Rejected: 8}); err != nil || done != want {
		t.Errorf("%+v, %v, want %+v", done, err, want)
	}
	columns := []string{"5 4 tier", "6 5 until", "7 6 reason", "8 7 from", "9 8 group", "10 9 member", "11 10 until", "12 1 key"}
	for i, column := range columns {
		if len(rejected) != len(columns) || !strings.HasPrefix(rejected[i], column+": ") {
			t.Errorf("rejected: %q, want the %dth to begin with %q", rejected, i, column)
			break
		}
	}
	c.wantTier(t, "ann", "club", "gold", benefits.ByOverride)
	c.wantTier(t, "bob", "club", "platinum", benefits.ByOverride)
	c.wantTier(t, "eve", "club", "", "")
	history, err := c.TierHistory(t.Context(), c.Programme, "ann")
	if err != nil || len(history) != 1 || !history[0].Start.Equal(time.Date(2025, 4, 30, 16, 0, 0, 0, time.UTC)) || history[0].Reason.Said != "imported from points" {
		t.Errorf("%+v, %v", history, err)
	}
	c.moveClock(t, time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)) // when every line's time is over
	done, _, err = c.importingBy(t.Context(), t, c.ImportTiers, file+"11,ann,,gold,,,2027-01-01,again\n", quiet)
	if want := (benefits.Import{Read: 12, Recorded: 1, Known: 3, Rejected: 8}); err != nil || done != want {
		t.Errorf("a longer file: %+v, %v, want %+v", done, err, want)
	}
}

func TestExportedTiersImportElsewhere(t *testing.T) {
	t.Parallel()
	c, elsewhere := newSources(t), newSources(t)
	c.Accrue(t, "a1", "ann", "growth", 1000)
	c.wantTier(t, "ann", "club", "platinum", benefits.ByPoints)
	if _, err := c.overrideTier(t, "o1", "ann", "gold", time.Date(2026, 8, 31, 16, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.overrideTier(t, "o2", "bob", "silver", time.Date(2026, 8, 31, 16, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	lines := c.exported(t)
	want := []string{"ann,club,gold,override,", "ann,club,platinum,points,", "bob,club,silver,override,"}
	if len(lines) != 3 || !slices.EqualFunc(lines, want, strings.HasPrefix) || !strings.HasSuffix(lines[2], ",2026-09-01T00:00:00+08:00,status match") {
		t.Fatalf("exported %q", lines)
	}
	file := "key,member,group,tier,source,from,until,reason\n"
	for i, line := range lines {
		file += fmt.Sprintf("%d,%s\n", i, line)
	}
	done, rejected, err := elsewhere.importingBy(t.Context(), t, elsewhere.ImportTiers, file, quiet)
	if err != nil || done.Recorded != 3 {
		t.Fatalf("%+v, %q, %v", done, rejected, err)
	}
	elsewhere.wantTier(t, "ann", "club", "platinum", benefits.ByOverride) // the line that stands last
	elsewhere.wantTier(t, "bob", "club", "silver", benefits.ByOverride)
	if got := elsewhere.exported(t); len(got) != 2 {
		t.Errorf("exported there: %q", got)
	}
	c.moveClock(t, time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))
	if got := c.exported(t); len(got) != 1 || !strings.HasPrefix(got[0], "ann,club,platinum,points,") {
		t.Errorf("what is over is exported: %q", got)
	}
}
