package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tallystick/internal/devdb"
)

// lifeSite serves on a fresh database, as the demonstration does.
func lifeSite(t *testing.T) *site {
	t.Helper()
	onFreshDatabase(t)
	s, err := openSite(t.Context(), devdb.Config{}, servingConfig{
		addr: "127.0.0.1:0", unlimited: demoClients, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func lived(t *testing.T, s *site) *demoLife {
	t.Helper()
	told, err := playLife(t.Context(), io.Discard, s)
	if err != nil {
		t.Fatal(err)
	}
	report, err := verifyBooks(t.Context(), io.Discard, s.reports)
	if err != nil || !report.OK() {
		t.Fatalf("the books of a life: %v, %v", report.Failures, err)
	}
	return told
}

// TestTheLifeOfAVIP: the figures are worked out by hand from the terms of the VIP club. A bill gives a point a yuan, by the
// coefficient of the tier held (silver 1.2, gold 1.5, platinum 1.8), and 20 for paying on time; tiers begin at 2,400, 4,800
// and 9,600 of growth in a year.
func TestTheLifeOfAVIP(t *testing.T) {
	s := lifeSite(t)
	told := lived(t, s)
	var got []string
	for _, c := range told.Chapters {
		row := []string{c.At.Format("2006-01-02")}
		for _, unit := range lifeUnits {
			row = append(row, signed(c.Change[unit])+"="+c.Balance[unit])
		}
		got = append(got, strings.Join(append(row, c.Tier), " "))
	}
	want := []string{
		"2026-01-15 +100=100 =0 =0 =0 ",
		"2026-02-05 +2620=2720 +2600=2600 =0 =0 silver",
		"2026-04-05 +3380=6100 +2800=5400 +2=2 =0 gold",         // 2800 × 1.2 + 20
		"2026-10-05 +9320=15420 +6200=11600 +4=6 +2=2 platinum", // 6200 × 1.5 + 20; the total of platinum less what gold gave
		"2026-11-06 =15420 =11600 =6 =2 platinum",
		"2026-11-20 +4800=20220 =11600 =6 =2 platinum", // 8000 / 2 × 1.2, two weeks later
		"2026-11-22 =20220 =11600 -2=4 =2 platinum",    // a pass and the second guest; the first is free
		"2026-11-23 =20220 =11600 +1=5 =2 platinum",
		"2026-11-29 =20220 =11600 =5 -1=1 platinum",
		"2026-12-10 =20220 =11600 =5 +1=2 platinum",
		"2026-12-12 -600=19620 =11600 =5 =2 platinum",
		"2026-12-13 -3000=16620 =11600 =5 =2 platinum",
		"2026-12-15 -4800=11820 =11600 =5 =2 platinum",
		"2027-01-01 =11820 -11600=0 +1=6 +1=3 platinum", // one golf round is carried over
		"2027-06-05 +5420=17240 +3000=3000 =6 =3 platinum",
		"2028-01-01 =17240 -3000=0 =6 =3 platinum",
		"2028-05-01 =17240 =0 -4=2 =3 gold", // silver is all that 2027 gave; it lands one tier down
		"2029-01-01 -11820=5420 =0 =2 -3=0 gold",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for chapter, why := range map[int]string{2: "bill-points 2800 × 1.2 = 3360", 3: "Platinum: growth 11600 of 9600; until 31 March 2028", 5: "phone-points 8000 × 0.6 = 4800", 16: "金卡：上一等级有效期已满，下调一级"} {
		if !slices.ContainsFunc(told.Chapters[chapter].Why, func(s string) bool { return strings.Contains(s, why) }) {
			t.Errorf("%s: %q does not say %q", told.Chapters[chapter].English, told.Chapters[chapter].Why, why)
		}
	}
	if diff := cmp.Diff(told, lived(t, s)); diff != "" {
		t.Errorf("told again (-want +got):\n%s", diff)
	}
	var printed bytes.Buffer
	told.print(&printed)
	if lines := strings.Count(printed.String(), "\n"); lines > 40 {
		t.Errorf("%d lines are more than a screen", lines)
	}
}

// TestALifeStoppedAnywhereIsTheSameLife stops it after a number of transactions, again and again.
func TestALifeStoppedAnywhereIsTheSameLife(t *testing.T) {
	want := lived(t, lifeSite(t))
	s := lifeSite(t)
	stops := 0
	for transactions := 1; transactions < 60; transactions += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-when(ctx, s.reports, want.Programme, transactions)
			cancel()
		}()
		if _, err := playLife(ctx, io.Discard, s); err != nil {
			stops++
		}
		cancel()
	}
	if stops < 5 {
		t.Errorf("it was stopped %d times only", stops)
	}
	if diff := cmp.Diff(want, lived(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
