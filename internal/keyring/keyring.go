// Package keyring holds the secrets of an installation. There is one file of them, newest first; everything else that has
// to be secret or signed is derived from one of its keys, so that there is one thing to keep and one thing to rotate.
//
// A key's id follows from the key, and stands beside whatever was made with it. Rotating is adding a key at the top: what
// is new is made with it, and what is old goes on being good as long as its key stays in the file.
package keyring

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// size is the length of a key: that of the hash which everything is derived with.
const size = sha256.Size

// Ring is the keys of a file, the newest first. It is safe for concurrent use. A nil Ring has no key.
type Ring struct {
	ids     []string
	secrets map[string][]byte
	derived sync.Map // derivation → []byte
}

type derivation struct{ id, purpose string }

// New is a ring of one new key that is kept nowhere.
func New() *Ring {
	secret := make([]byte, size)
	_, _ = rand.Read(secret) // never fails; the runtime ends the process instead
	r := &Ring{secrets: make(map[string][]byte)}
	r.add(secret)
	return r
}

// Read reads a file: a key a line, in base64, the newest first; lines that begin with # are skipped.
func Read(file string) (*Ring, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	r := &Ring{secrets: make(map[string][]byte)}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(secret) != size {
			return nil, fmt.Errorf("keys: line %d of %s is no key: %d bytes in base64 make one", n, file, size)
		}
		r.add(secret)
	}
	if len(r.ids) == 0 {
		return nil, fmt.Errorf("keys: there is no key in %s: tallystick keys new adds one", file)
	}
	return r, nil
}

func (r *Ring) add(secret []byte) {
	sum := sha256.Sum256(append([]byte("tallystick key id\x00"), secret...))
	id := hex.EncodeToString(sum[:4])
	if r.secrets[id] == nil {
		r.ids = append(r.ids, id)
		r.secrets[id] = secret
	}
}

// Add puts a new key at the top of a file, which it makes when there is none, and returns the key's id. The file is replaced
// whole, and only its owner may read it.
func Add(file string) (string, error) {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keys: %w", err)
	}
	r := New()
	line := base64.StdEncoding.EncodeToString(r.secrets[r.ids[0]]) + "\n"
	scratch, err := os.CreateTemp(filepath.Dir(file), ".keys-*") // for its owner only
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	_, err = scratch.WriteString(line + string(old))
	if err = errors.Join(err, scratch.Sync(), scratch.Close()); err == nil {
		err = os.Rename(scratch.Name(), file)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("keys: %w", err), os.Remove(scratch.Name()))
	}
	return r.ids[0], nil
}

// ReadOrMake reads a file, and makes it with one key first when there is none.
func ReadOrMake(file string) (*Ring, error) {
	r, err := Read(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if _, err := Add(file); err != nil {
		return nil, err
	}
	return Read(file)
}

// Current is the id of the newest key; empty without any.
func (r *Ring) Current() string {
	if r == nil {
		return ""
	}
	return r.ids[0]
}

// IDs are the ids of all keys, the newest first.
func (r *Ring) IDs() []string {
	if r == nil {
		return nil
	}
	return slices.Clone(r.ids)
}

// Derive is the 256 bits that a key gives for a purpose, by HKDF with SHA-256 (RFC 5869); nil when the ring has no such key.
// Nobody may change what it returns.
func (r *Ring) Derive(id, purpose string) []byte {
	if r == nil || r.secrets[id] == nil {
		return nil
	}
	secret := r.secrets[id]
	which := derivation{id, purpose}
	if known, ok := r.derived.Load(which); ok {
		return known.([]byte) //nolint:forcetypeassert // nothing else is stored
	}
	derived, err := hkdf.Key(sha256.New, secret, nil, "tallystick/"+purpose, size)
	if err != nil {
		panic(fmt.Sprintf("keyring: %v", err)) // a length that HKDF cannot give
	}
	r.derived.Store(which, derived)
	return derived
}

// MAC is the HMAC with SHA-256 of a message under what a key gives for a purpose; nil when the ring has no such key.
func (r *Ring) MAC(id, purpose string, message ...[]byte) []byte {
	key := r.Derive(id, purpose)
	if key == nil {
		return nil
	}
	mac := hmac.New(sha256.New, key)
	for _, part := range message {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// Signer is the Ed25519 key that a key gives for a purpose; nil when the ring has no such key.
func (r *Ring) Signer(id, purpose string) ed25519.PrivateKey {
	seed := r.Derive(id, purpose)
	if seed == nil {
		return nil
	}
	return ed25519.NewKeyFromSeed(seed)
}
