package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"strings"
)

// A token is "tsk_<environment>_<id>_<secret>_<check>". The prefix and the check let scanners of leaked secrets
// recognise one without asking us; the environment keeps a test key from ever being tried on live books.
const (
	tokenPrefix  = "tsk_"
	idLength     = 10
	secretLength = 32 // base62: 190 bits
	checkLength  = 6
	maxToken     = 96
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// ErrInvalid says that the token is not a key that may be used now. It does not say why, so that guessing teaches nothing.
var ErrInvalid = errors.New("credential is not valid")

// newToken makes a token and returns it with its id.
func newToken(environment string) (token, id string) {
	id = randomText(idLength)
	body := tokenPrefix + environment + "_" + id + "_" + randomText(secretLength)
	return body + "_" + check(body), id
}

// parseToken returns the id of a token that is written correctly for the environment. It says nothing about whether
// such a key exists, and needs no database.
func parseToken(token, environment string) (id string, ok bool) {
	if len(token) > maxToken {
		return "", false
	}
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutPrefix(rest, environment+"_"); !ok {
		return "", false
	}
	if len(rest) != idLength+1+secretLength+1+checkLength || rest[idLength] != '_' || rest[idLength+1+secretLength] != '_' {
		return "", false
	}
	if check(token[:len(token)-checkLength-1]) != token[len(token)-checkLength:] {
		return "", false
	}
	return rest[:idLength], true
}

func check(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	var text [checkLength]byte
	for i := range text {
		text[checkLength-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(text[:])
}

// randomText is uniformly distributed: bytes beyond the largest multiple of 62 are thrown away.
func randomText(length int) string {
	text := make([]byte, 0, length)
	var pool [64]byte
	for len(text) < length {
		_, _ = rand.Read(pool[:]) // never fails; the runtime ends the process instead
		for _, b := range pool {
			if b < 248 && len(text) < length {
				text = append(text, base62[b%62])
			}
		}
	}
	return string(text)
}

// digest is what the database keeps of a token, and what the memory of verified keys is looked up by.
func digest(token string) [sha256.Size]byte {
	var buf [maxToken]byte
	return sha256.Sum256(buf[:copy(buf[:], token)])
}
