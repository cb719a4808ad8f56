package partners

import (
	"crypto/rand"
	"encoding/base32"
	"strings"

	"tallystick/ledger"
)

// Code is what makes a voucher good at a till: 80 random bits that follow from nothing else the books say, since
// whoever knows it may use the voucher. Only its voucher's row has it, and only the member and the till are shown it.
type Code string

// The symbols are Crockford's: no I, L, O and U, which are read as 1, 0 and V, or make words.
const codeSymbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	codeBytes  = 10
	codeLength = codeBytes * 8 / 5
)

var codeEncoding = base32.NewEncoding(codeSymbols).WithPadding(base32.NoPadding)

// newCode draws a code.
func newCode() Code {
	var random [codeBytes]byte
	_, _ = rand.Read(random[:]) // never fails; the runtime ends the process instead
	return Code(codeEncoding.EncodeToString(random[:]))
}

// ParseCode reads a code as people type it: case, blanks and hyphens do not matter, an O is a zero, an I or L a one. It
// refuses with CODE_MALFORMED.
func ParseCode(typed string) (Code, error) {
	plain := codeTyping.Replace(strings.ToUpper(typed))
	if len(plain) != codeLength || strings.Trim(plain, codeSymbols) != "" {
		return "", &ledger.Refusal{Reason: ledger.CodeMalformed}
	}
	return Code(plain), nil
}

var codeTyping = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1")
