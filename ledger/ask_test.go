package ledger

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// ask is one wish of a caller in the words of the model: whole numbers, names and microseconds, nothing of the package
// under test. It is comparable, so two asks are the same exactly when they are equal.
type ask struct {
	client, key, verb   string
	member, other, unit string
	n                   int64  // hundredths
	rights              int64  // of a voucher, or used at once
	original            string // client/key of an earlier ask
	activate, expires   int64  // microseconds, 0 for none; expires is also a new expiry, a period and a clock
	effective, from, to int64
	timeout             int64
	policy, fund        string
	reason, ref         string
	release             bool // a capture gives back the rest
	stocked             bool // a voucher's rights come from stock
	money               bool // a partner is paid, too
}

// String leaves out what is not said.
func (a ask) String() string {
	var said []string
	for v, i := reflect.ValueOf(a), 0; i < v.NumField(); i++ {
		if !v.Field(i).IsZero() {
			said = append(said, fmt.Sprintf("%s=%v", v.Type().Field(i).Name, v.Field(i)))
		}
	}
	return strings.Join(said, " ")
}

func (a ask) name() string { return a.client + "/" + a.key }

const machineProgramme = `
zone: Asia/Shanghai
back_dating: 20d
expiry:
  short: {kind: rolling, months: 1}
  active: {kind: activity, months: 0}
  year: {kind: natural_year, years: 0}
  mayday: {kind: fixed_day, month: 5, day: 1}
  ever: {kind: never}
units:
  - {code: points, kind: points, scale: 2, expiry: short, debt_limit: "30"}
  - {code: miles, kind: points, scale: 0, expiry: active}
  - {code: status, kind: qualifying, scale: 0, expiry: year}
  - {code: visit, kind: allotment, scale: 0}
  - {code: lounge, kind: right, scale: 0}
  - {code: cny, kind: money, scale: 2}
`

// machineUnits is the machine's programme as far as a request needs it.
var machineUnits = func() *Programme {
	p, err := ParseProgramme([]byte("programme: any"+machineProgramme), 1)
	if err != nil {
		panic(err)
	}
	return p
}()

func hundredths(n int64) decimal.Decimal { return decimal.New(n, -2) }

// moment turns the model's microseconds into a time; 0 is none.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// request says the same to the ledger, through the constructors that callers use.
func (a ask) request(p uuid.UUID) Request {
	r := Request{
		Client: a.client, Key: a.key, EffectiveAt: moment(a.effective), Reason: a.reason, Reference: a.ref, Actor: "machine",
	}
	n := hundredths(a.n)
	switch a.verb {
	case "accrue":
		return Accrual{
			Member: a.member, Unit: a.unit, Amount: n, ActivateAt: moment(a.activate), ExpiresAt: moment(a.expires),
			Policy: a.policy, Fund: a.fund,
		}.Into(p, r)
	case "bill":
		return a.bill(p, r)
	case "allot":
		return GrantAllotment(a.member, a.unit, n, moment(a.expires), r)
	case "redeem":
		return Redeem(a.member, a.unit, n, r)
	case "voucher":
		return a.voucher(p, r)
	case "use":
		return a.use(p, r)
	case "hold":
		return Reserve(p, a.member, a.unit, n, time.Duration(a.timeout)*time.Microsecond, r)
	case "adjust":
		return Adjust(a.member, a.unit, n, moment(a.expires), r)
	case "transfer":
		return Transfer(a.member, a.other, a.unit, n, r)
	case "publish":
		return Publish(a.unit, n, r)
	case "redate":
		return Redate(a.member, a.unit, moment(a.from), moment(a.to), moment(a.expires), r)
	case "forfeit":
		return Forfeit(a.member, r)
	case "merge":
		return Merge(machineUnits, a.member, a.other, r)
	case "freeze":
		return Freeze(a.member, r)
	case "unfreeze":
		return Unfreeze(a.member, r)
	case "period":
		return SetOpenPeriod(moment(a.expires), r)
	case "clock":
		return SetClock(moment(a.expires), r)
	default:
		return a.followUp(p, r)
	}
}

// followUp is a request about an earlier one. Callers leave the member out; the machine also names a wrong one.
func (a ask) followUp(p uuid.UUID, r Request) Request {
	r.Member = a.member
	id := uuid.Nil
	if a.original != "" {
		id = idOf(p, a.original)
	}
	switch a.verb {
	case "capture":
		return Capture(id, hundredths(a.n), a.release, r)
	case "void":
		return Void(id, r)
	case "reverse":
		return Reverse(id, hundredths(a.n), r)
	}
	r.Kind = map[string]Kind{"timeout": KindTimeout, "activate": KindActivation, "lapse": KindExpiry}[a.verb]
	r.Original = id
	return r
}

// bill is an accrual of several legs: points, one unit of status, and what a partner owes for the points.
func (a ask) bill(p uuid.UUID, r Request) Request {
	r = Accrual{Member: a.member, Unit: "points", Amount: hundredths(a.n)}.Into(p, r)
	r.Legs = append(r.Legs,
		Leg{
			From: programmeAccount("status", Issuance), To: walletOf(a.member, "status"), Unit: "status", Amount: hundredths(100),
		},
		Leg{
			From: Account{Unit: "cny", Owner: Partner("bank"), Place: Receivable}, To: programmeAccount("cny", Deferred),
			Unit: "cny", Amount: hundredths(a.n),
		})
	return r
}

func (a ask) voucher(p uuid.UUID, r Request) Request {
	source := Issuance
	if a.stocked {
		source = Stock
	}
	legs := []Leg{redemptionLeg(a.member, a.unit, hundredths(a.n)), {
		From: programmeAccount("lounge", source), To: voucherOf(p, a.member, a.name()), Unit: "lounge",
		Amount: decimal.NewFromInt(a.rights), ExpiresAt: moment(a.expires),
	}}
	if a.money {
		legs = append(legs, Leg{
			From: programmeAccount("cny", Deferred), To: Account{Unit: "cny", Owner: Partner("airport"), Place: Payable},
			Unit: "cny", Amount: hundredths(a.n),
		})
	}
	return RedeemLegs(a.member, legs, r)
}

func (a ask) use(p uuid.UUID, r Request) Request {
	legs := []Leg{{
		From: voucherOf(p, a.member, a.original), To: Account{Unit: "lounge", Owner: Partner("airport"), Place: Redeemed},
		Unit: "lounge", Amount: decimal.NewFromInt(a.rights),
	}}
	if a.money {
		legs = append(legs, Leg{
			From: programmeAccount("cny", BenefitCost), To: Account{Unit: "cny", Owner: Partner("airport"), Place: Payable},
			Unit: "cny", Amount: hundredths(700),
		})
	}
	return Use(a.member, legs, r)
}

func voucherOf(p uuid.UUID, member, name string) Account {
	return Account{Unit: "lounge", Owner: Member(member), Place: Voucher, Of: idOf(p, name)}
}

// idOf is the transaction id of an ask's name.
func idOf(p uuid.UUID, name string) uuid.UUID {
	for i := range name {
		if name[i] == '/' {
			return TransactionID(p, name[:i], name[i+1:])
		}
	}
	panic("an ask's name is client/key")
}
