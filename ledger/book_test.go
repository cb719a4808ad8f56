package ledger

import (
	"fmt"
	"strings"
	"testing"
)

// What a bug says goes into the log, where nobody's reference belongs.
func TestAnAccountThatWasNotLoadedIsNotNamedByItsOwner(t *testing.T) {
	defer func() {
		said := fmt.Sprint(recover())
		if !strings.Contains(said, "wallet") || !strings.Contains(said, "points") || strings.Contains(said, "ann") {
			t.Errorf("it says %q", said)
		}
	}()
	new(Book).account(walletOf("ann", "points"))
}
