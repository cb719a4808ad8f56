package partners

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/keyring"
	"tallystick/ledger"
)

// Code is what makes a voucher good at a till: 15 symbols that nobody can guess, 75 bits, and a check symbol. They follow
// from the voucher's id and a key of the installation, so no row has a code: the database keeps only a MAC of it under
// another key, by which it is found, and who has a copy of the database has no code.
type Code string

// The symbols are Crockford's: no I, L, O and U, which are read as 1, 0 and V, or make words.
const codeSymbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// codeLength is with the check symbol.
const codeLength = 16

// What keys are derived for.
const (
	forCode     = "voucher code"
	forCodeMAC  = "voucher code mac"
	forRotating = "rotating code"
	forReceipt  = "receipt"
)

// codeFor is the code that a key gives a voucher; empty when the ring has no such key.
func codeFor(ring *keyring.Ring, key string, voucher uuid.UUID) Code {
	bits := ring.MAC(key, forCode, voucher[:])
	if bits == nil {
		return ""
	}
	var symbols [codeLength]byte
	high, low := binary.BigEndian.Uint64(bits), binary.BigEndian.Uint64(bits[8:])
	for i := range codeLength - 1 {
		word, at := high, i
		if i >= 8 {
			word, at = low, i-8
		}
		symbols[i] = codeSymbols[word>>(5*at)&31]
	}
	symbols[codeLength-1] = codeSymbols[checkOf(symbols[:codeLength-1])]
	return Code(symbols[:])
}

// checkOf is the check symbol's value: with it, the sum over GF(32) of every symbol times its own power of a primitive element
// is zero. So every wrong symbol, and every two symbols that changed places, near or far, show.
func checkOf(symbols []byte) byte {
	var sum byte
	for _, symbol := range symbols {
		sum = timesAlpha(sum ^ byte(strings.IndexByte(codeSymbols, symbol)))
	}
	return sum
}

// timesAlpha multiplies by a root of x⁵ + x² + 1, whose powers are all 31 elements but zero.
func timesAlpha(x byte) byte {
	x <<= 1
	if x&32 != 0 {
		x ^= 37
	}
	return x
}

// ParseCode reads a code as people type it: case, blanks and hyphens do not matter, an O is a zero, an I or L a one. It
// refuses with CODE_MALFORMED what is no code, with CODE_CHECKSUM one that was mistyped.
func ParseCode(typed string) (Code, error) {
	plain := codeTyping.Replace(strings.ToUpper(typed))
	if len(plain) != codeLength || strings.Trim(plain, codeSymbols) != "" {
		return "", &ledger.Refusal{Reason: ledger.CodeMalformed}
	}
	if codeSymbols[checkOf([]byte(plain[:codeLength-1]))] != plain[codeLength-1] {
		return "", &ledger.Refusal{Reason: ledger.CodeChecksum}
	}
	return Code(plain), nil
}

var codeTyping = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1")

// String groups the symbols by four, which is how they are best read aloud.
func (c Code) String() string {
	if len(c) != codeLength {
		return string(c)
	}
	return string(c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:])
}

// codeMAC is what a code of a programme is kept and found by.
func codeMAC(ring *keyring.Ring, key string, programme uuid.UUID, code Code) []byte {
	return ring.MAC(key, forCodeMAC, programme[:], []byte(code))
}

// codeMACs are those under every key that a code may have been issued with.
func codeMACs(ring *keyring.Ring, programme uuid.UUID, code Code) [][]byte {
	var macs [][]byte
	for _, key := range ring.IDs() {
		macs = append(macs, codeMAC(ring, key, programme, code))
	}
	return macs
}

// RotatingStep is how long one rotating code is shown. It is taken while it is shown and for one step more, which bridges the
// way from the screen to the till: at most 30 seconds.
const RotatingStep = 15 * time.Second

// rotatingMark begins a rotating code, so that it cannot be taken for a typed one.
const rotatingMark = "TS1"

// Rotating is a code that a screen shows as a QR for a short time: a picture of it is worth nothing a minute later. The step is
// counted by the server's clock alone, also in a sandbox.
type Rotating struct {
	Token string
	From  time.Time
	Until time.Time // when the next is to be shown
}

// rotatingFor is the rotating code of a voucher at a time: TS1.<voucher>.<step>.<key>.<MAC, 128 bits>.
func rotatingFor(ring *keyring.Ring, key string, voucher uuid.UUID, at time.Time) Rotating {
	step := stepOf(at)
	head := strings.Join([]string{rotatingMark, base64.RawURLEncoding.EncodeToString(voucher[:]), strconv.FormatInt(step, 10), key}, ".")
	from := time.Unix(0, step*int64(RotatingStep)).UTC()
	return Rotating{
		Token: head + "." + base64.RawURLEncoding.EncodeToString(rotatingMAC(ring, key, head)),
		From:  from, Until: from.Add(RotatingStep),
	}
}

// now is the time that screens and tills share, also in a sandbox.
func now() time.Time {
	return time.Now() //nolint:forbidigo // nothing that is recorded depends on it
}

func stepOf(at time.Time) int64 { return at.UnixNano() / int64(RotatingStep) }

func rotatingMAC(ring *keyring.Ring, key, head string) []byte {
	mac := ring.MAC(key, forRotating, []byte(head))
	if mac == nil {
		return nil
	}
	return mac[:16]
}

// isRotating reports whether what was scanned is, or was meant to be, a rotating code.
func isRotating(scanned string) bool { return strings.HasPrefix(scanned, rotatingMark+".") }

// parseRotating reads a rotating code and says whether it is shown at another time than now, by the server's clock.
// Refusals: CODE_MALFORMED; NOT_FOUND for one that was not made with a key of the ring.
func parseRotating(ring *keyring.Ring, scanned string, now time.Time) (voucher uuid.UUID, late bool, err error) {
	malformed := &ledger.Refusal{Reason: ledger.CodeMalformed}
	parts := strings.Split(scanned, ".")
	if len(parts) != 5 {
		return uuid.Nil, false, malformed
	}
	id, err1 := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	step, err2 := strconv.ParseInt(parts[2], 10, 64)
	mac, err3 := base64.RawURLEncoding.Strict().DecodeString(parts[4])
	if err1 != nil || err2 != nil || err3 != nil || len(id) != len(uuid.UUID{}) || len(mac) != 16 || parts[3] == "" {
		return uuid.Nil, false, malformed
	}
	head := scanned[:len(scanned)-len(parts[4])-1]
	if !hmac.Equal(mac, rotatingMAC(ring, parts[3], head)) { // without the key, this compares with nothing
		return uuid.Nil, false, notFound()
	}
	current := stepOf(now)
	return uuid.UUID(id), step != current && step != current-1, nil
}
