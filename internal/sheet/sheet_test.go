package sheet_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"tallystick/internal/sheet"
)

func read(t *testing.T, text string) []sheet.Row {
	t.Helper()
	s, err := sheet.NewReader(strings.NewReader(text), []string{"key", "member"}, []string{"amount"})
	if err != nil {
		t.Fatal(err)
	}
	var rows []sheet.Row
	for {
		row, err := s.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

func TestColumnsStandInAnyOrder(t *testing.T) {
	rows := read(t, "\xef\xbb\xbfmember,key\n ann , k1\n\"bob\n2\",k2\ncec,k3\n")
	for i, want := range []struct {
		line        int
		key, member string
	}{{2, "k1", "ann"}, {3, "k2", "bob\n2"}, {5, "k3", "cec"}} {
		if got := rows[i]; got.Line != want.line || got.Cell("key") != want.key || got.Cell("member") != want.member || got.Cell("amount") != "" {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestALineThatCannotBeReadStopsNothing(t *testing.T) {
	rows := read(t, "key,member\nk1\nk2,ann,3\nk3,a\"b\nk4,\xff\nk5,eve\n")
	for i, bad := range []bool{true, true, true, true, false} {
		if (rows[i].Problem != nil) != bad || rows[i].Line != i+2 {
			t.Errorf("row %d: %+v", i, rows[i])
		}
	}
	if rows[4].Cell("member") != "eve" || rows[3].Problem.Column != "member" {
		t.Errorf("rows: %+v", rows)
	}
}

func TestAHeaderThatCannotBeSaysWhatWouldBeRight(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "should name the columns key, member",
		"key\n":               `column "member" is missing`,
		"key,member,amuont\n": "use key, member, amount",
		"key,member,key\n":    "stands twice",
		"\"key,member\n1,2\n": "header",
	} {
		if _, err := sheet.NewReader(strings.NewReader(text), []string{"key", "member"}, []string{"amount"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
