package auth

import (
	"strings"
	"testing"
)

func TestTokenIsReadBackInItsOwnEnvironmentOnly(t *testing.T) {
	token, id := newToken("dev")
	if got, ok := parseToken(token, "dev"); !ok || got != id {
		t.Fatalf("parseToken = %q, %v; want %q, true", got, ok, id)
	}
	for _, other := range []string{"live", "de", "dev_", ""} {
		if _, ok := parseToken(token, other); ok {
			t.Errorf("token of dev was read in environment %q", other)
		}
	}
}

func TestTokenWithOneSymbolChangedIsRefusedWithoutTheDatabase(t *testing.T) {
	token, _ := newToken("dev")
	for i := range token {
		for _, symbol := range "0zA_" {
			altered := token[:i] + string(symbol) + token[i+1:]
			if _, ok := parseToken(altered, "dev"); ok && altered != token {
				t.Errorf("altered at %d: %q was read", i, altered)
			}
		}
	}
}

func TestTokensDoNotRepeat(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		token, id := newToken("dev")
		if seen[token] || seen[id] {
			t.Fatalf("%s came twice", token)
		}
		seen[token], seen[id] = true, true
	}
}

func FuzzParseToken(f *testing.F) {
	token, _ := newToken("dev")
	f.Add(token)
	f.Add("")
	f.Add("tsk_dev_")
	f.Add(strings.Repeat(".", 1<<16))
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := parseToken(text, "dev")
		if ok && (len(id) != idLength || !strings.HasPrefix(text, "tsk_dev_"+id+"_")) {
			t.Fatalf("parseToken(%q) = %q", text, id)
		}
	})
}

func BenchmarkParseAndDigest(b *testing.B) {
	token, _ := newToken("dev")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parseToken(token, "dev"); !ok {
			b.Fatal("refused")
		}
		_ = digest(token)
	}
}
