package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tallystick/internal/devdb"
)

const applyProgramme = `# kept as it is
programme: applied
zone: Asia/Shanghai
units:
  - {code: points, kind: points}
  - {code: tea, kind: right}
benefits:
  - {code: tea, kind: offer, names: {en: Tea, zh-Hans: 茶}, prices: {points: 300}, stock: {opening: 10}}
`

func TestApplyShowsTheDifferenceAndExportGivesTheFileBack(t *testing.T) {
	t.Setenv("DATABASE_URL", devdb.NewDatabase(t).OwnerURL)
	file := filepath.Join(t.TempDir(), "programme.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(applyProgramme)
	if out := run(t, "apply", "-f", file); !strings.Contains(out, "+ benefits[tea].prices.points: 300") ||
		!strings.HasSuffix(out, "programme applied is at version 1\n") {
		t.Errorf("the first version: %s", out)
	}
	second := strings.Replace(applyProgramme, "points: 300}, stock: {opening: 10}", "points: 250}, stock: {opening: 10, spring: 5}", 1)
	write(second)
	const difference = "  ~ benefits[tea].prices.points: 300 → 250\n  + benefits[tea].stock.spring: 5\n  publishes 5 of tea as spring\n"

	if out := run(t, "apply", "-f", file, "--dry-run"); out != difference+"programme applied would be at version 2\n" {
		t.Errorf("a dry run: %s", out)
	}
	if out := run(t, "export"); out != applyProgramme {
		t.Errorf("a dry run left %s", out)
	}
	if out := run(t, "apply", "-f", file, "--dry-run", "--json"); out != `{"programme":"applied","version":2,"changes":[`+
		`{"kind":"changed","path":"benefits[tea].prices.points","from":"300","to":"250"},`+
		`{"kind":"added","path":"benefits[tea].stock.spring","to":"5"}],`+
		`"publishes":[{"benefit":"tea","name":"spring","amount":"5"}],"applied":false}`+"\n" {
		t.Errorf("as JSON: %s", out)
	}
	if out := run(t, "apply", "-f", file); out != difference+"programme applied is at version 2\n" {
		t.Errorf("applied: %s", out)
	}
	if out := run(t, "apply", "-f", file); out != "programme applied is at version 2\n" {
		t.Errorf("applied again: %s", out)
	}
	if out := run(t, "export", "--version", "1"); out != applyProgramme {
		t.Errorf("version 1 is %s", out)
	}
	if out := run(t, "export"); out != second {
		t.Errorf("the current version is %s", out)
	}

	for problem, text := range map[string]string{
		"line 3: zone: \"Mars\" is no time zone; use an IANA name such as Asia/Shanghai": strings.Replace(second, "Asia/Shanghai", "Mars", 1),
		"line 4: units: unit points is gone":                                             strings.Replace(strings.Replace(second, "  - {code: points, kind: points}\n", "  - {code: miles, kind: points}\n", 1), "{points: 250}", "{miles: 1}", 1),
		"line 8: benefits[tea].stock.opening: it was published with another amount":      strings.Replace(second, "opening: 10", "opening: 11", 1),
	} {
		write(text)
		for _, args := range [][]string{{"apply", "-f", file}, {"apply", "-f", file, "--dry-run"}} {
			var out, err bytes.Buffer
			if code := execute(t.Context(), args, &streams{out: &out, err: &err}); code != 1 || !strings.Contains(err.String(), problem) {
				t.Errorf("%v: exit code %d, said %q, want %q", args, code, err.String(), problem)
			}
		}
	}
	var out, err bytes.Buffer
	if code := execute(t.Context(), []string{"export", "--version", "9"}, &streams{out: &out, err: &err}); code != 1 || out.Len() > 0 {
		t.Errorf("a version that is not there: exit code %d, %s", code, out.String())
	}
}
