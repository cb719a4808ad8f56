//go:build torture

package torture_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Every guard that is taken away is missed by every test that stands for it. What a race shows only now and then has three
// tries to show it.
func TestEveryMutantIsKilled(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			overlay, alive := m.overlay(t), m.tests
			for try := 0; try < 3 && len(alive) > 0; try++ {
				test := exec.CommandContext(t.Context(), "go", "test", "-count", "1", "-timeout", "5m", "-overlay", overlay,
					"-run", "^("+strings.Join(alive, "|")+")$", ".")
				test.Dir = ledgerFolder
				out, err := test.CombinedOutput()
				if err == nil {
					continue
				}
				var left []string
				for _, name := range alive {
					if !strings.Contains(string(out), "--- FAIL: "+name+" ") {
						left = append(left, name)
					}
				}
				if len(left) == len(alive) {
					t.Fatalf("the tests did not run: %s", out)
				}
				alive = left
			}
			if len(alive) > 0 {
				t.Errorf("survives %v", alive)
			}
		})
	}
}
