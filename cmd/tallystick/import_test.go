package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tallystick/internal/devdb"
)

const importProgramme = `
programme: import
zone: Asia/Shanghai
units:
  - {code: points, kind: points}
  - {code: CNY, kind: money, scale: 2}
earning:
  activities:
    - {code: bill, names: {en: Bill, zh-Hans: 账单}, money: CNY}
  rules:
    - {code: bill-points, names: {en: Points, zh-Hans: 积分}, on: bill, unit: points, rate: {points: 1, per: 1, whole: true}}
`

// TestAnImportThatIsKilledGoesOn ends the process without warning in the middle, starts it again, and looks at the books.
func TestAnImportThatIsKilledGoesOn(t *testing.T) {
	t.Setenv("DATABASE_URL", devdb.NewDatabase(t).OwnerURL)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run(t, "apply", "-f", write("programme.yaml", importProgramme))
	var text strings.Builder
	text.WriteString("key,member,activity,amount\n")
	const lines = 12_000
	for i := range lines {
		amount := "2"
		if i == 7 || i == lines-1 {
			amount = "two"
		}
		fmt.Fprintf(&text, "k%d,m%d,bill,%s\n", i, i%500, amount)
	}
	file := write("bills.csv", text.String())
	first := command(t.Context(), t, "import", "activities", file)
	said, err := first.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if !readUntil(said, "lines 10%") {
		t.Fatal("the first import did not come far enough")
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err == nil {
		t.Fatal("the first import ended before it was killed")
	}
	var out, problems bytes.Buffer
	if code := execute(t.Context(), []string{"import", "activities", file}, &streams{out: &out, err: &problems}); code != 1 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), problems.String())
	}
	var recorded, known int
	const counts = "12000 lines: %d recorded, %d known before, 0 changed nothing, 2 rejected"
	if _, err := fmt.Sscanf(out.String(), counts, &recorded, &known); err != nil || recorded+known != lines-2 {
		t.Errorf("the second import said\n%s", out.String())
	}
	rejected, err := os.ReadFile(file + ".rejected.csv")
	if err != nil || !strings.Contains(string(rejected), `12001,k11999,amount,"""two"" is not a number"`) {
		t.Errorf("rejected: %s, %v", rejected, err)
	}
	run(t, "verify") // which fails when the books are wrong
}
