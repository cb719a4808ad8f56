package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tallystick/internal/devdb"
)

func TestTiersAreTakenOverFromAFileAndExportedAgain(t *testing.T) {
	t.Setenv("DATABASE_URL", devdb.NewDatabase(t).OwnerURL)
	file := filepath.Join(t.TempDir(), "tiers.csv")
	const lines = "key,member,tier,until,reason\n" +
		"1,m-1,diamond,2099-01-01,held before\n" +
		"2,m-2,gold,2099-01-01,status match\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "apply", "-f", vipClubFile)
	if out := run(t, "import", "tiers", file); !strings.HasPrefix(out, "2 lines: 2 recorded, 0 known before") {
		t.Errorf("the first import said %s", out)
	}
	out := run(t, "export", "tiers")
	for _, want := range []string{
		"key,member,group,tier,source,from,until,reason\n", ",m-1,", ",diamond,override,", ",2099-01-01T00:00:00+08:00,held before\n", ",gold,override,",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	run(t, "verify")
}
