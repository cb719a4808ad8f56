package bench_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"tallystick/internal/bench"
)

// A short run of everything, on few members: every name has a rate, and the books are verified at its end.
func TestEveryNameIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a durable database and a server")
	}
	program := filepath.Join(t.TempDir(), "tallystick")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/tallystick").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var table bytes.Buffer
	results, err := bench.Run(t.Context(), bench.Options{
		Seconds: 0.1, Members: 1000, SweepMembers: 400, Claimants: 500, Rated: 1000, ImportLines: 2000, Program: program, Out: &table,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, &table)
	}
	var text bytes.Buffer
	if err := bench.WriteJSON(&text, results); err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name      string
		Clients   int
		PerSecond float64 `json:"per_second"`
	}
	if err := json.Unmarshal(text.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.Name] = true
		if r.Clients < 1 || r.PerSecond <= 0 {
			t.Errorf("%s with %d clients: %v per second", r.Name, r.Clients, r.PerSecond)
		}
	}
	for _, name := range []string{
		"accrue", "redeem", "hold_capture", "accrue_batch100", "balance", "statement", "sweep", "verify", "redeem_benefit", "hot_offer", "list_benefits", "rerate", "import", "limit_single", "limit_batch100",
	} {
		if !seen[name] {
			t.Errorf("%s was not measured", name)
		}
	}
}

func TestAWrongNameIsAnErrorThatListsThem(t *testing.T) {
	_, err := bench.Run(t.Context(), bench.Options{Seconds: 1, Members: 1000, SweepMembers: 1, Claimants: 1, Rated: 100, ImportLines: 1, Only: []string{"acrue"}})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("accrue_batch100")) {
		t.Errorf("the error is %v", err)
	}
}
