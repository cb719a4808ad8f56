package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/ledger"
	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// clubHead is the programme whose benefits are measured. Its clock is the database's, as that of the other one.
const clubHead = `
programme: bench-club
zone: Asia/Shanghai
expiry:
  rolling: {kind: rolling, months: 12}
  this-year: {kind: natural_year, years: 0}
tiers:
  - code: club
    names: {en: Club, zh-Hans: 俱乐部}
    period: {kind: calendar_year}
    validity: {until: end_of_next_period}
    points: growth
    ladder:
      - {code: silver, from: {points: 100}, names: {en: Silver, zh-Hans: 银卡}}
      - {code: gold, from: {points: 500}, names: {en: Gold, zh-Hans: 金卡}}
      - {code: platinum, from: {points: 1000}, names: {en: Platinum, zh-Hans: 白金卡}}
allotments:
  - {unit: visits, per: year, totals: {gold: 2, platinum: 6}}
earning:
  activities:
    - {code: bill, money: CNY, names: {en: Bill, zh-Hans: 账单}}
  rules:
    - {code: bill-points, on: bill, unit: points, rate: {points: 1, per: 1, whole: true}, coefficients: {silver: "1.2", gold: "1.5", platinum: "1.8"}, names: {en: Points, zh-Hans: 积分}}
    - {code: bill-growth, on: bill, unit: growth, rate: {points: 1, per: 1, whole: true}, names: {en: Growth, zh-Hans: 成长值}}
units:
  - {code: points, kind: points, expiry: rolling}
  - {code: growth, kind: qualifying, expiry: this-year}
  - {code: visits, kind: allotment, expiry: this-year}
  - {code: CNY, kind: money, scale: 2}
`

const (
	catalogSize = 1000
	plentyOf    = 100_000_000 // rights of what nobody is to use up
	hotOffer    = "hot"
	dinner      = "dinner"
)

// clubDocument is a catalog of catalogSize benefits of every shape: for all and for tiers, in points, money and visits, with
// and without stock, hours and conditions. Two of them are redeemed: one of which there is plenty, one that all want.
func clubDocument(hot int) []byte {
	var units, list strings.Builder
	add := func(code, more string) {
		fmt.Fprintf(&units, "  - {code: %s, kind: right, expiry: rolling}\n", code)
		fmt.Fprintf(&list, "  - {code: %s, names: {en: Benefit %[1]s, zh-Hans: 权益 %[1]s}, %s}\n", code, more)
	}
	add(dinner, fmt.Sprintf("kind: offer, prices: {points: 10}, stock: {opening: %d}", plentyOf))
	add(hotOffer, fmt.Sprintf("kind: offer, prices: {points: 10}, stock: {opening: %d}", hot))
	shapes := []string{
		"kind: offer, prices: {points: 300}",
		"kind: offer, tier: gold, prices: {points: 900}, tier_prices: {platinum: {points: 700}}",
		"kind: gift, prices: {points: 5000}, stock: {opening: 100}",
		`kind: offer, prices: {points: 400, CNY: "8.00"}, open: [{from: "08:00", until: "21:00"}]`,
		"kind: service, tier: silver, prices: {points: 200, visits: 1}",
		"kind: offer, prices: {points: 250}, when: member.tenure_months >= 12 || member.tier == \"platinum\"",
	}
	for i := 2; i < catalogSize; i++ {
		add(fmt.Sprintf("b%04d", i), shapes[i%len(shapes)])
	}
	return []byte(clubHead + units.String() + "benefits:\n" + list.String())
}

// club is a second programme in the run's database, with tiers and a catalog.
type club struct {
	*benefits.Catalog
	programme uuid.UUID
	token     string
	rights    int // of the hot offer
}

// openClub applies the programme and gives every member points, once.
func (b *bench) openClub(ctx context.Context) (*club, error) {
	if b.club != nil {
		return b.club, nil
	}
	c := &club{Catalog: benefits.New(b.ledger, b.posting, partners.New(b.ledger, b.posting, b.keys)), rights: max(b.Claimants/10, 1)}
	applied, err := c.ApplyProgramme(ctx, ledger.Application{Document: clubDocument(c.rights), By: "bench"})
	if err != nil {
		return nil, err
	}
	c.programme = applied.ID
	c.token, err = auth.NewKeys(b.posting, environment).Issue(ctx, auth.Grant{
		Programme: c.programme, Role: auth.System, Client: clientName, Life: 24 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	err = b.postTo(ctx, c.programme, "members of the club", max(b.Members, b.Claimants), func(i int) ledger.Request {
		return ledger.Accrual{Member: member(i), Unit: "points", Amount: plenty}.
			Into(c.programme, ledger.Request{Client: "seed", Key: "points-" + member(i), Actor: "seed", Channel: "bench"})
	})
	if err != nil {
		return nil, err
	}
	b.club = c
	return c, b.settle(ctx)
}

func (b *bench) claim(i int, benefit string) *v1.RedeemBenefitRequest {
	return &v1.RedeemBenefitRequest{
		IdempotencyKey: uuid.NewString(), MemberId: member(i), BenefitId: benefit, PayWith: v1.PayWith_PAY_WITH_POINTS, Channel: "bench",
	}
}

// clubRate is rate for calls on the club.
func (b *bench) clubRate(ctx context.Context, n int, call func(c *caller) (int, error)) (Result, error) {
	list, err := clients(n, func(int) (client, error) {
		c, err := dial(ctx, b.server.address, "application/proto", "Bearer "+b.club.token)
		return func(context.Context) (int, error) { return call(c) }, err
	})
	if err != nil {
		return Result{}, err
	}
	return b.driveFor(ctx, list)
}

// redeemBenefit claims a benefit: points are paid, a right leaves the stock, and there is a voucher.
func (b *bench) redeemBenefit(ctx context.Context, n int) (Result, error) {
	if _, err := b.openClub(ctx); err != nil {
		return Result{}, err
	}
	return b.clubRate(ctx, n, func(c *caller) (int, error) {
		response := new(v1.RedeemBenefitResponse)
		err := c.call(api.MemberServiceRedeemBenefitProcedure, b.claim(rand.N(b.Members), dinner), response)
		if err == nil && response.Voucher.GetCode() == "" {
			err = errors.New("a redemption gave no voucher")
		}
		return 1, err
	})
}

// hotOffer lets every claimant ask once for an offer that there is for one in ten, and counts who got it. All claims are
// counted in the rate, those that were refused too.
func (b *bench) hotOffer(ctx context.Context, n int) (Result, error) {
	club, err := b.openClub(ctx)
	if err != nil {
		return Result{}, err
	}
	var next, won, lost atomic.Int64
	bar := b.bar("claims of one offer", b.Claimants)
	list, err := clients(n, func(int) (client, error) {
		c, err := dial(ctx, b.server.address, "application/proto", "Bearer "+club.token)
		return func(context.Context) (int, error) {
			i := int(next.Add(1)) - 1
			if i >= b.Claimants {
				return 0, nil
			}
			reason, err := c.try(api.MemberServiceRedeemBenefitProcedure, b.claim(i, hotOffer), new(v1.RedeemBenefitResponse))
			switch {
			case err != nil:
				return 0, err
			case reason == "":
				won.Add(1)
			case reason == string(ledger.OutOfStock):
				lost.Add(1)
			default:
				return 0, fmt.Errorf("a claim was refused: %s", reason)
			}
			bar.add(1)
			return 1, nil
		}, err
	})
	if err != nil {
		return Result{}, err
	}
	before := b.cpu()
	s, err := drive(ctx, 0, time.Hour, list)
	bar.done()
	r := s.result()
	r.ClientCPU, r.ServerCPU, r.DatabaseCPU = b.cpu().per(before, s.all)
	if got, not := int(won.Load()), int(lost.Load()); err == nil && (got != club.rights || got+not != b.Claimants) {
		err = fmt.Errorf("%d of %d claimants got the offer and %d did not; there were %d rights", got, b.Claimants, not, club.rights)
	}
	return r, err
}

// listBenefits reads the first page of what a member can have of the whole catalog, as an app shows it.
func (b *bench) listBenefits(ctx context.Context, n int) (Result, error) {
	if _, err := b.openClub(ctx); err != nil {
		return Result{}, err
	}
	return b.clubRate(ctx, n, func(c *caller) (int, error) {
		response := new(v1.ListBenefitsResponse)
		err := c.call(api.MemberServiceListBenefitsProcedure, &v1.ListBenefitsRequest{MemberId: b.someMember()}, response)
		if err == nil && len(response.Benefits) != ledger.DefaultPage {
			err = fmt.Errorf("a page has %d benefits", len(response.Benefits))
		}
		return 1, err
	})
}

// importActivities records a file of bills.
func (b *bench) importActivities(ctx context.Context, _ int) (Result, error) {
	club, err := b.openClub(ctx)
	if err != nil {
		return Result{}, err
	}
	var file bytes.Buffer
	file.WriteString("key,member,activity,amount\n")
	for i := range b.ImportLines {
		fmt.Fprintf(&file, "bill-%d,%s,bill,%d.00\n", i, b.someMember(), 20+i%300)
	}
	bar := b.bar("import", b.ImportLines)
	defer bar.done()
	return b.once(func() (int, error) {
		done, err := club.ImportActivities(ctx, club.programme, benefits.SourceFile{
			Lines: bytes.NewReader(file.Bytes()), Content: sha256.Sum256(file.Bytes()), Tell: func(i benefits.Import) { bar.set(i.Read) },
			Reject: func(v benefits.Verdict) error { return fmt.Errorf("line %d was rejected: %s", v.Line, v.Reason) },
		}, ledger.Request{Client: "bench-file", Actor: "bench"})
		if err == nil && done.Recorded != int64(b.ImportLines) {
			err = fmt.Errorf("%d of %d lines were recorded", done.Recorded, b.ImportLines)
		}
		return int(done.Recorded), err
	})
}

// rerate rates a million members of whom one in a hundred moves: all have growth, one in five a tier from the rating before.
func (b *bench) rerate(ctx context.Context, _ int) (Result, error) {
	club, err := b.openClub(ctx)
	if err != nil {
		return Result{}, err
	}
	err = b.postTo(ctx, club.programme, "growth", b.Rated, func(i int) ledger.Request {
		amount := int64(1 + i%99)
		if i%5 == 0 {
			amount = 100 + int64(i*7919%1200)
		}
		return club.growth("growth-", i, amount)
	})
	if err != nil {
		return Result{}, err
	}
	if _, err := b.rateAll(ctx, club, "the rating before"); err != nil {
		return Result{}, err
	}
	movers := max(b.Rated/100, 1)
	if err := b.postTo(ctx, club.programme, "growth of some", movers, func(i int) ledger.Request { return club.growth("more-", 100*i, 1500) }); err != nil {
		return Result{}, err
	}
	if err := b.settle(ctx); err != nil {
		return Result{}, err
	}
	return b.once(func() (int, error) {
		done, err := b.rateAll(ctx, club, "rerate")
		if err == nil && (done.Rated < int64(b.Rated) || done.Moved > int64(movers) || done.Moved == 0) {
			err = fmt.Errorf("%d members were rated and %d moved, of %d and %d", done.Rated, done.Moved, b.Rated, movers)
		}
		return int(done.Rated), err
	})
}

func (c *club) growth(key string, i int, amount int64) ledger.Request {
	return ledger.Accrual{Member: member(i), Unit: "growth", Amount: decimal.NewFromInt(amount)}.
		Into(c.programme, ledger.Request{Client: "seed", Key: key + member(i), Actor: "seed", Channel: "bench"})
}

func (b *bench) rateAll(ctx context.Context, club *club, what string) (benefits.Rerated, error) {
	bar := b.bar(what, b.Rated)
	defer bar.done()
	return club.RerateAll(ctx, club.programme, benefits.Rerating{Key: what, Tell: func(rated, _ int64) { bar.set(rated) }})
}
