package keyring_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tallystick/internal/keyring"
)

func TestRotationKeepsTheOldKeyAndUsesTheNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	first, err := keyring.ReadOrMake(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keyring.ReadOrMake(file)
	if err != nil || again.Current() != first.Current() {
		t.Fatalf("a second start made other keys: %v", err)
	}
	added, err := keyring.Add(file)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := keyring.Read(file)
	if err != nil || rotated.Current() != added || len(rotated.IDs()) != 2 || rotated.IDs()[1] != first.Current() {
		t.Fatalf("%v, %v", rotated.IDs(), err)
	}
	old := first.Current()
	if !bytes.Equal(rotated.MAC(old, "code", []byte("x")), first.MAC(old, "code", []byte("x"))) {
		t.Error("what was made with the old key is not known any more")
	}
	if bytes.Equal(rotated.Derive(old, "code"), rotated.Derive(added, "code")) || bytes.Equal(rotated.Derive(old, "code"), rotated.Derive(old, "qr")) {
		t.Error("two keys or two purposes share a secret")
	}
	if first.MAC(added, "code", nil) != nil || first.Derive(added, "code") != nil || first.Signer(added, "receipt") != nil {
		t.Error("a ring makes something with a key that it does not have")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAFileOfKeysTellsWhatIsWrong(t *testing.T) {
	for content, want := range map[string]string{
		"":                         "there is no key",
		"# none\n\n":               "there is no key",
		"c2hvcnQ=\n":               "line 1",
		"# one\nnot base64 at all": "line 2",
	} {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Read(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
	if _, err := keyring.Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is no error")
	}
}
