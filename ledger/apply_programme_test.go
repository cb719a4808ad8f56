package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

func TestTheVersionsOfAProgrammeNameWhoAppliedThem(t *testing.T) {
	t.Parallel()
	b := ledgertest.New(t, ledgertest.Document)
	second := ledger.Application{Document: []byte(ledgertest.Document + "# second\n"), By: "cli/ann", After: 1}
	applied, err := b.Ledger.ApplyProgramme(t.Context(), second)
	if err != nil || applied.Version != 2 || string(applied.Before) != ledgertest.Document {
		t.Fatalf("%+v, %v", applied, err)
	}
	second.By = "cli/bob" // the same document again is no new version
	again, err := b.Ledger.ApplyProgramme(t.Context(), second)
	if err != nil || again.Record.AppliedBy != "cli/ann" || !bytes.Equal(again.Record.Hash, applied.Record.Hash) {
		t.Errorf("%+v, %v", again, err)
	}

	list, err := b.Ledger.ListVersions(t.Context(), b.Programme, 0, 10)
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[0].AppliedBy != "cli/ann" || list[1].AppliedBy != "test" {
		t.Errorf("%+v, %v", list, err)
	}
	if older, err := b.Ledger.ListVersions(t.Context(), b.Programme, 2, 1); err != nil || len(older) != 1 || older[0].Number != 1 {
		t.Errorf("%+v, %v", older, err)
	}
	for n, want := range []string{string(second.Document), ledgertest.Document, string(second.Document)} {
		v, text, err := b.Ledger.ReadVersion(t.Context(), b.Programme, int64(n))
		if err != nil || string(text) != want || !v.AppliedAt.Equal(list[(2-n)%2].AppliedAt) {
			t.Errorf("version %d: %+v, %v", n, v, err)
		}
	}
	if _, _, err := b.Ledger.ReadVersion(t.Context(), b.Programme, 3); !errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
		t.Errorf("version 3: %v", err)
	}
}

func TestAnApplicationThatCannotBeChangesNothing(t *testing.T) {
	t.Parallel()
	b := ledgertest.New(t, ledgertest.Document)
	next := []byte(ledgertest.Document + "# next\n")
	another := []byte(strings.Replace(ledgertest.Document, "programme: ", "programme: not-", 1))
	post := ledger.Publish("lounge", amount(5), key("stock"))
	unknown := ledger.Publish("spa", amount(5), key("spa"))
	for name, row := range map[string]struct {
		a      ledger.Application
		reason ledger.Reason
	}{
		"nobody applies it":        {ledger.Application{Document: next}, ledger.InvalidField},
		"too long a name":          {ledger.Application{Document: next, By: strings.Repeat("x", 257)}, ledger.InvalidField},
		"another version expected": {ledger.Application{Document: next, By: "x", After: 2, Posts: []ledger.Request{post}}, ledger.ProgrammeChanged},
		"one post is refused":      {ledger.Application{Document: next, By: "x", Posts: []ledger.Request{post, unknown}}, ledger.UnknownUnit},
	} {
		for _, row.a.Preview = range []bool{true, false} {
			if _, err := b.Ledger.ApplyProgramme(t.Context(), row.a); !errors.Is(err, &ledger.Refusal{Reason: row.reason}) {
				t.Errorf("%s: %v, want %s", name, err, row.reason)
			}
		}
	}
	_, err := b.Ledger.ApplyProgramme(t.Context(), ledger.Application{Document: another, By: "x", Of: b.Programme})
	if wrong, is := errors.AsType[*document.InvalidError](err); !is || wrong.Mistakes[0].Path != "programme" {
		t.Errorf("another programme's document: %v", err)
	}
	_, err = b.Ledger.ApplyProgramme(t.Context(), ledger.Application{Document: next, By: "x", Of: uuid.New()})
	if !errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
		t.Errorf("no programme: %v", err)
	}
	previewed, err := b.Ledger.ApplyProgramme(t.Context(), ledger.Application{Document: next, By: "x", Posts: []ledger.Request{post}, Preview: true})
	if err != nil || previewed.Version != 2 || previewed.Posted[0] == nil || previewed.Record.Hash != nil {
		t.Errorf("a preview: %+v, %v", previewed, err)
	}
	if p, err := b.Ledger.Programme(t.Context(), b.Programme); err != nil || p.Version != 1 || string(p.Document) != ledgertest.Document {
		t.Errorf("version %d, %v", p.Version, err)
	}
	b.WantBalance(t, "stock", "lounge", amount(0))
}

// A preview, or an application that is undone, leaves no programme behind that a later version of its number would be
// taken for.
func TestAVersionThatWasNeverAppliedDecidesNothing(t *testing.T) {
	t.Parallel()
	b := ledgertest.New(t, ledgertest.Document)
	post := []ledger.Request{ledger.Publish("miles", amount(1), key("miles"))}
	withMiles := []byte(ledgertest.Document + "  - {code: miles, kind: right}\n")
	if _, err := b.Ledger.ApplyProgramme(t.Context(), ledger.Application{Document: withMiles, By: "x", Posts: post, Preview: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ledger.ApplyProgramme(t.Context(), ledgertest.Application(ledgertest.Document+"# other\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ledger.Post(t.Context(), b.Programme, post[0]); !errors.Is(err, &ledger.Refusal{Reason: ledger.UnknownUnit}) {
		t.Errorf("a unit of the version that was tried only: %v", err)
	}
}

// Editors who began with the same version: one of them is applied, the others are told.
func TestOneOfManyEditorsIsApplied(t *testing.T) {
	s := twoServers(t, ledgertest.Document)
	var applied, told atomic.Int32
	together(callers, func(c int) {
		a := ledger.Application{
			Document: []byte(ledgertest.Document + named("# %d\n", c)), By: named("editor-%d", c), After: 1,
			Posts: []ledger.Request{ledger.Publish("lounge", amount(1), key(named("stock %d", c)))},
		}
		switch _, err := s.of(c).ApplyProgramme(context.Background(), a); {
		case err == nil:
			applied.Add(1)
		case errors.Is(err, &ledger.Refusal{Reason: ledger.ProgrammeChanged}):
			told.Add(1)
		default:
			t.Error(err)
		}
	})
	if applied.Load() != 1 || told.Load() != callers-1 {
		t.Errorf("%d applied, %d told", applied.Load(), told.Load())
	}
	s.WantBalance(t, "stock", "lounge", amount(1))
}
