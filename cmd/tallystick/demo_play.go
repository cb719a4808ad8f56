package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/benefits"
	"tallystick/internal/auth"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// The clients that play: the shop's billing, the members' app, the operator and the merchants' tills.
var demoClients = []string{"demo-billing", "demo-app", "demo-operator", "demo-till"}

const callers = 16 // at a time

// player plays orders against the service, through its API. Whatever it decides follows from the orders and from what was
// recorded with them, never from a balance of the moment; so a day that is played again, whole or in part, comes out the
// same.
type player struct {
	site        *site
	programme   *ledger.Programme
	ladder      *benefits.TierGroup
	allotments  []*benefits.Allotment
	redemptions bool
	billing     api.LedgerServiceClient
	app         api.MemberServiceClient
	operator    api.AdminServiceClient
	tills       map[string]api.MerchantServiceClient // by the benefit that the merchant honours
	accrued     map[string]decimal.Decimal           // by member, in all orders so far
}

func newPlayer(ctx context.Context, s *site, p *ledger.Programme, redemptions bool) (*player, error) {
	groups, err := s.catalog.TierGroups(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	allotments, err := s.catalog.Allotments(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	y := &player{
		site: s, programme: p, ladder: groups[0], allotments: allotments, redemptions: redemptions,
		tills: make(map[string]api.MerchantServiceClient), accrued: make(map[string]decimal.Decimal),
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own
	transport.MaxIdleConnsPerHost = callers
	client := func(role auth.Role, name, subject string) *http.Client {
		token, issueErr := s.key(ctx, p.ID, role, name, subject)
		err = errors.Join(err, issueErr)
		return &http.Client{Transport: bearer{token: token, next: transport}}
	}
	y.billing = api.NewLedgerServiceClient(client(auth.System, "demo-billing", ""), s.url)
	y.app = api.NewMemberServiceClient(client(auth.System, "demo-app", ""), s.url)
	y.operator = api.NewAdminServiceClient(client(auth.Operator, "demo-operator", ""), s.url)
	agreements, agreementsErr := s.vouchers.Agreements(p)
	for _, code := range slices.Sorted(maps.Keys(agreements)) {
		if len(agreements[code].Honours) == 0 { // it pays, and has no till
			continue
		}
		till := api.NewMerchantServiceClient(client(auth.Merchant, "demo-till", code+"/"+agreements[code].Outlets[0]), s.url)
		for benefit := range agreements[code].Honours {
			y.tills[benefit] = till
		}
	}
	return y, errors.Join(err, agreementsErr)
}

// play plays every day from the one on which the sandbox's clock stands, and leaves the clock at the end of the last
// month. Earlier days are done: the clock moved on only after them.
func (y *player) play(ctx context.Context, days []orderDay, bar *progress) error {
	state, err := y.site.ledger.State(ctx, y.programme.ID)
	if err != nil {
		return err
	}
	total, done := int64(0), int64(0)
	for _, day := range days {
		total += int64(len(day.Orders))
	}
	for _, day := range days {
		reached := y.earn(day)
		if at := y.midnight(day.Date); !at.Before(state.Now) {
			if err := y.playDay(ctx, day, at, reached); err != nil {
				return fmt.Errorf("%s: %w", day.Date, err)
			}
		}
		done += int64(len(day.Orders))
		bar.set(done, total)
	}
	return y.moveClock(ctx, y.end(days))
}

// midnight is when a day begins in the programme's zone.
func (y *player) midnight(date string) time.Time {
	at, _ := time.ParseInLocation(time.DateOnly, date, y.programme.Zone) // readOrders has parsed it
	return at
}

// end is the first instant after the last order's month.
func (y *player) end(days []orderDay) time.Time {
	last := y.midnight(days[len(days)-1].Date)
	return time.Date(last.Year(), last.Month()+1, 1, 0, 0, 0, 0, y.programme.Zone)
}

// reached lists the tiers that a member's orders reach so far.
func (y *player) reached(member string) []benefits.Tier {
	points := map[string]decimal.Decimal{string(benefits.ByPoints): y.accrued[member]}
	return y.ladder.Tiers[:y.ladder.Earned(benefits.ByPoints, points)]
}

// reach is an order that brought a member to a tier with an allotment.
type reach struct{ order order }

// earn adds a day's points up and returns who reached which tier by them.
func (y *player) earn(day orderDay) []reach {
	var list []reach
	for _, o := range day.Orders {
		before := y.reached(o.Member)
		y.accrued[o.Member] = y.accrued[o.Member].Add(o.Points)
		for _, tier := range y.reached(o.Member)[len(before):] {
			if y.allots(tier.Code) {
				list = append(list, reach{o})
				break
			}
		}
	}
	return list
}

// allots reports whether a tier has an allotment.
func (y *player) allots(tier string) bool {
	return slices.ContainsFunc(y.allotments, func(a *benefits.Allotment) bool {
		_, gives := a.Totals[tier]
		return gives
	})
}

// playDay moves the clock to the day, accrues its orders, grants what tiers entitle to, and lets members redeem.
func (y *player) playDay(ctx context.Context, day orderDay, at time.Time, reached []reach) error {
	if err := y.moveClock(ctx, at); err != nil {
		return err
	}
	balances, err := y.accrue(ctx, day.Orders)
	if err != nil {
		return err
	}
	err = each(ctx, reached, func(ctx context.Context, r reach) error {
		_, err := y.site.catalog.Qualify(ctx, y.programme.ID, r.order.Member)
		return err
	})
	if err != nil || !y.redemptions {
		return err
	}
	return y.redeemAll(ctx, y.wishes(day.Orders, balances, reached))
}

func (y *player) moveClock(ctx context.Context, to time.Time) error {
	_, err := y.operator.MoveClock(ctx, &v1.MoveClockRequest{
		IdempotencyKey: "clock-" + to.UTC().Format("20060102T150405Z"), Clock: timestamppb.New(to),
	})
	return err
}

// accrue imports orders in batches and returns each member's balance right after the member's last order, as it was
// recorded. An order for nothing earns nothing, and is no transaction.
func (y *player) accrue(ctx context.Context, orders []order) (map[string]decimal.Decimal, error) {
	balances := make(map[string]decimal.Decimal)
	earning := slices.DeleteFunc(slices.Clone(orders), order.nothingToEarn)
	for batch := range slices.Chunk(earning, ledger.MaxBatch) {
		request := &v1.PostBatchRequest{Items: make([]*v1.BatchItem, len(batch))}
		for i, o := range batch {
			request.Items[i] = &v1.BatchItem{Write: &v1.BatchItem_Accrue{Accrue: &v1.AccrueRequest{
				IdempotencyKey: o.No, MemberId: o.Member, Unit: "points", Amount: o.Points.String(), Reference: o.No, Channel: "shop",
			}}}
		}
		response, err := y.billing.PostBatch(ctx, request)
		if err != nil {
			return nil, err
		}
		for i, result := range response.Results {
			if failure := result.GetFailure(); failure != nil {
				return nil, fmt.Errorf("order %s: %s", batch[i].No, failure.Message)
			}
			for _, b := range result.GetTransaction().BalancesAfter {
				if b.Unit == "points" && b.Account.Place == v1.Place_PLACE_WALLET {
					balances[batch[i].Member] = decimal.RequireFromString(b.Balance)
				}
			}
		}
	}
	return balances, nil
}

// nothingToEarn is the verdict on an order for less than a dollar.
func (o order) nothingToEarn() bool { return !o.Points.IsPositive() }

// chance is a number that follows from an order: the same whenever it is played.
func (o order) chance() uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.No))
	return h.Sum32()
}

// each runs do for every item, several at a time.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callers)
	for _, item := range items {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}

// reasonOf is the stable reason of a refused call; empty for other errors.
func reasonOf(err error) ledger.Reason {
	var refused *connect.Error
	if !errors.As(err, &refused) {
		return ""
	}
	for _, detail := range refused.Details() {
		if value, valueErr := detail.Value(); valueErr == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return ledger.Reason(info.Reason)
			}
		}
	}
	return ""
}
