package ledger

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	pgxdecimal "github.com/jackc/pgx-shopspring-decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"
)

// FuzzParseProgramme: whatever is accepted keeps the promises that postings rely on.
func FuzzParseProgramme(f *testing.F) {
	const whole = `
programme: test
zone: Asia/Shanghai
sandbox: true
back_dating: 31d
refund_grace: 30d
expiry:
  rolling: {kind: rolling, months: 12}
  year: {kind: natural_year, years: 1}
  day: {kind: fixed_day, month: 2, day: 29}
  active: {kind: activity, months: 6}
  never: {kind: never}
units:
  - {code: points, kind: points, scale: 2, expiry: rolling, debt_limit: "50.5"}
  - {code: cny, kind: money, scale: 2}
tiers: {unit: points}
`
	f.Add([]byte(whole))
	for _, change := range [][2]string{
		{"zone: Asia/Shanghai", "zone: ../etc/passwd"},
		{"zone: Asia/Shanghai", "zone: Local"},
		{"31d", "-1d"},
		{"31d", "99999999999999999999d"},
		{"months: 12", "months: 1e9"},
		{"months: 12", "moths: 3"},
		{"day: 29", "day: 30"},
		{"scale: 2", "scale: -1"},
		{"scale: 2", "scale: 99999999999"},
		{`"50.5"`, `"1e999999999"`},
		{`"50.5"`, `"-1"`},
		{"tiers:", "tears:"},
		{"code: cny", "code: points"},
		{"programme: test", "programme: &a [*a]"},
		{"programme: test", "programme: test\nprogramme: other"},
		{"expiry: rolling", "expiry: gone"},
	} {
		f.Add([]byte(strings.Replace(whole, change[0], change[1], 1)))
	}
	f.Add([]byte("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nprogramme: *c\n"))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, err := ParseProgramme(document, 7)
		if err != nil {
			return
		}
		if p.ID != ProgrammeID(p.Name) || p.Name == "" || p.Version != 7 || p.Zone == nil || p.BackDating < 0 || p.RefundGrace < 0 {
			t.Errorf("programme %+v", p)
		}
		for code, u := range p.Units {
			_, policy := p.Policies[u.Expiry]
			if code != u.Code || code == "" || u.Scale < 0 || u.Scale > 9 || u.DebtLimit.IsNegative() || u.DebtLimit.GreaterThan(maxBalance) ||
				u.Expiry != "" && !policy {
				t.Errorf("unit %q: %+v", code, u)
			}
		}
		for name, policy := range p.Policies {
			now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
			if at := policy.ExpiresAt(now, p.Zone); !at.After(now) || at.After(Never) {
				t.Errorf("policy %s: what counts from %v expires at %v", name, now, at)
			}
		}
	})
}

// FuzzParsePlace: what is stored of an account's place is read as it was; anything else that is read is written alike.
func FuzzParsePlace(f *testing.F) {
	for _, text := range []string{
		"wallet", "hold/0190163d-8694-739b-aea5-966c26f8ad91", "voucher/0190163D-8694-739B-AEA5-966C26F8AD91", "pending/", "/", "",
		"hold/urn:uuid:0190163d-8694-739b-aea5-966c26f8ad91", "hold/{0190163d-8694-739b-aea5-966c26f8ad91}", "hold/a/b", "cap/2026-03", "cap/ever/", "cap", "wallet/0190163d8694739baea5966c26f8ad91",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParsePlace(text)
		if err != nil {
			return
		}
		again, err := ParsePlace(a.PlaceText())
		if err != nil || again.PlaceText() != a.PlaceText() || again.Place != a.Place || a.Place.opens() && again.Of != a.Of {
			t.Errorf("%q is read as %+v, written as %q and read as %+v, %v", text, a, a.PlaceText(), again, err)
		}
	})
}

// hardZones change at midnight, by odd amounts, or skip days.
var hardZones = []string{
	"Asia/Shanghai", "UTC", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Africa/Cairo", "America/Santiago", "Asia/Tehran", "Asia/Amman",
	"Pacific/Apia", "Pacific/Kwajalein", "Australia/Lord_Howe", "Africa/Casablanca", "America/Asuncion", "Asia/Gaza", "America/Scoresbysund",
	"America/St_Johns", "America/Toronto", "Asia/Kathmandu", "Europe/London", "Pacific/Chatham", "Africa/Monrovia", "Antarctica/Troll",
}

// FuzzExpiresAt: a lot never expires before it counts, and always when a local day begins.
func FuzzExpiresAt(f *testing.F) {
	for zone := range hardZones {
		for i, from := range []string{"1997-01-31T16:00:00Z", "2011-12-29T09:59:59.999999Z", "2018-11-03T12:00:00Z", "2024-02-29T00:00:00Z", "1970-01-01T00:00:00Z", "2199-12-31T23:59:59Z"} {
			at, err := time.Parse(time.RFC3339Nano, from)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(zone), uint8(i), at.UnixMicro(), uint16(i), uint8(i*2), uint8(29))
		}
	}
	f.Fuzz(func(t *testing.T, zoneIndex, kind uint8, micro int64, length uint16, month, day uint8) {
		name := hardZones[int(zoneIndex)%len(hardZones)]
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		kinds := []PolicyKind{RollingPolicy, NaturalYearPolicy, FixedDayPolicy, ActivityPolicy, NeverPolicy}
		p := Policy{Kind: kinds[int(kind)%len(kinds)], Months: int(length), Years: int(length), Month: int(month), Day: int(day)}
		from := time.UnixMicro(micro)
		if p.mistakes() != nil || from.Year() < 1970 || from.Year() > 2199 {
			return
		}
		at := p.ExpiresAt(from, zone)
		if p.Kind == NeverPolicy {
			if !at.Equal(Never) {
				t.Errorf("never is %v", at)
			}
			return
		}
		local, before := at.In(zone), at.Add(-time.Nanosecond).In(zone)
		midnight := local.Hour() == 0 && local.Minute() == 0 && local.Second() == 0 && local.Nanosecond() == 0
		if !at.After(from) || !midnight && local.Day() == before.Day() {
			t.Errorf("%+v in %s: what counts from %v expires at %v", p, name, from.In(zone), local)
		}
	})
}

// libraryDecimal decodes a numeric by the library, whose way is another.
func libraryDecimal(raw []byte) (d decimal.Decimal, err error) {
	m := pgtype.NewMap()
	pgxdecimal.Register(m)
	err = m.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, raw, &d)
	return d, err
}

// FuzzNumeric feeds verify's reader of numbers, which decides what tampering is seen, everything that a database may
// store in a column: digits to the base of 10,000 without zeros at either end.
func FuzzNumeric(f *testing.F) {
	f.Add(int8(0), false, []byte{0, 1})
	f.Add(int8(3), true, []byte{0x27, 0x0f, 0x27, 0x0f, 0, 0, 0, 1})
	f.Add(int8(-1), false, []byte{0x13, 0x88})
	f.Add(int8(-3), false, []byte{3, 232})
	f.Add(int8(-3), true, []byte{0, 1})
	f.Add(int8(20), false, []byte{0, 1})
	f.Add(int8(0), false, []byte{})
	f.Fuzz(func(t *testing.T, weight int8, minus bool, data []byte) {
		if len(data) > 40 {
			return
		}
		var digits []byte
		for i := 0; i+1 < len(data); i += 2 {
			digits = binary.BigEndian.AppendUint16(digits, binary.BigEndian.Uint16(data[i:])%10000)
		}
		count := len(digits) / 2
		if count > 0 && (binary.BigEndian.Uint16(digits) == 0 || binary.BigEndian.Uint16(digits[len(digits)-2:]) == 0) {
			return
		}
		if count == 0 {
			weight, minus = 0, false
		}
		sign := uint16(0)
		if minus {
			sign = 0x4000
		}
		raw := binary.BigEndian.AppendUint16(nil, uint16(count))
		raw = binary.BigEndian.AppendUint16(raw, uint16(int16(weight)))
		raw = binary.BigEndian.AppendUint16(raw, sign)
		raw = binary.BigEndian.AppendUint16(raw, uint16(max(0, 4*(count-1-int(weight)))))
		raw = append(raw, digits...)
		want, err := libraryDecimal(raw)
		if err != nil {
			t.Fatal(err)
		}
		n := numeric(raw)
		if got := string(n.appendText(nil)); got != want.String() {
			t.Errorf("%x is %s, printed as %s", raw, want, got)
		}
		writable := want.Equal(want.Truncate(9)) && want.Abs().LessThan(decimal.New(1, 16))
		if got, ok := n.fixed(); ok != writable || ok && got.String() != want.String() {
			t.Errorf("%s is %s in billionths, %t", want, got, ok)
		}
		_, fraction, _ := strings.Cut(want.String(), ".")
		if n.decimals() != len(fraction) {
			t.Errorf("%s has %d decimal places", want, n.decimals())
		}
	})
}

// FuzzParseFixed: what is read as a number is the number that the library reads.
func FuzzParseFixed(f *testing.F) {
	for _, text := range []string{"0", "-0", "1.5", "-0.000000001", "999999999999999999.999999999", "1.", ".5", "+1", "1e3", "١", "--1", "1.2.3", "0x1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseFixed([]byte(text))
		if !ok {
			return
		}
		want, err := decimal.NewFromString(text)
		if err != nil || got.String() != want.String() {
			t.Errorf("%q is read as %s, and by the library as %s, %v", text, got, want, err)
		}
		if again, ok := parseFixed([]byte(got.String())); !ok || again != got {
			t.Error(fmt.Sprintf("%q", text), "is not read again")
		}
	})
}
