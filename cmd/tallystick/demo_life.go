package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
)

// life plays what a member of the VIP club lives through in four years. Chapters follow from nothing but their date, and
// what they print is read from the books afterwards; so a life that was interrupted goes on, and one that is over is told
// again with the same words.
type life struct {
	*player
	member string
}

// chapter is what happens at an instant.
type chapter struct {
	At   time.Time
	Text partners.Names
	do   func(context.Context) error // nil where only time passes
	bill string                      // the price of what is earned for; empty where there is none
}

// lifeDocument is the VIP club under a name of its own, so that the same database has the same story once.
func lifeDocument() []byte {
	sum := sha256.Sum256(vipClub)
	return []byte(strings.Replace(string(vipClub), "programme: vip-club\n", "programme: life-"+hex.EncodeToString(sum[:4])+"\n", 1))
}

// playLife plays the life to its end and reads it from the books.
func playLife(ctx context.Context, progressTo io.Writer, s *site) (*demoLife, error) {
	programme, err := applied(ctx, s, lifeDocument())
	if err != nil {
		return nil, err
	}
	p, err := newPlayer(ctx, s, programme, true)
	if err != nil {
		return nil, err
	}
	l := &life{player: p, member: "lin"}
	if err := l.play(ctx, newProgress(progressTo, "a life")); err != nil {
		return nil, err
	}
	return l.read(ctx)
}

// play plays every chapter from the one at which the sandbox's clock stands. That one is played again: its calls have keys.
func (l *life) play(ctx context.Context, bar *progress) error {
	state, err := l.site.ledger.State(ctx, l.programme.ID)
	if err != nil {
		return err
	}
	chapters := l.chapters()
	for i, c := range chapters {
		if !c.At.Before(state.Now) {
			if err := l.live(ctx, c); err != nil {
				return fmt.Errorf("%s, %s: %w", c.At.Format(time.DateOnly), c.Text["en"], err)
			}
		}
		bar.set(int64(i+1), int64(len(chapters)))
	}
	return nil
}

// live lets time pass to a chapter and do what it does, and plays it. What falls due is swept before, and the member is rated
// before and after, as the service does at every call that looks at the member.
func (l *life) live(ctx context.Context, c chapter) error {
	if err := l.moveClock(ctx, c.At); err != nil {
		return err
	}
	if err := sweepAll(ctx, io.Discard, l.site.ledger, l.programme); err != nil {
		return err
	}
	if err := l.site.catalog.SweepEvents(ctx, l.programme.ID); err != nil {
		return err
	}
	if err := l.rate(ctx); err != nil || c.do == nil {
		return err
	}
	if err := c.do(ctx); err != nil {
		return err
	}
	return l.rate(ctx)
}

func (l *life) rate(ctx context.Context) error {
	_, err := l.operator.RateMember(ctx, &v1.RateMemberRequest{MemberId: l.member})
	return err
}

func (l *life) chapters() []chapter {
	on := func(date string) time.Time {
		at, _ := time.ParseInLocation("2006-01-02 15:04", date, l.programme.Zone) // they stand here
		return at
	}
	text := func(en, zh string) partners.Names { return partners.Names{"en": en, "zh-Hans": zh} }
	return []chapter{
		{At: on("2026-01-15 10:00"), Text: text("Lin joins the club", "小林入会"), do: l.join},
		{At: on("2026-02-05 09:00"), Text: text("a bill, paid on time", "按时缴纳账单"), do: l.pay("2600"), bill: "2600"},
		{At: on("2026-04-05 09:00"), Text: text("a bill, with silver's coefficient", "账单，按银卡系数积分"), do: l.pay("2800"), bill: "2800"},
		{At: on("2026-10-05 09:00"), Text: text("a bill, with gold's coefficient", "账单，按金卡系数积分"), do: l.pay("6200"), bill: "6200"},
		{At: on("2026-11-06 15:00"), Text: text("buys a telephone: its points wait 14 days", "购机，积分 14 天后生效"), do: l.buyPhone},
		{At: on("2026-11-20 15:00"), Text: text("the telephone's points can be spent", "购机积分生效"), bill: "8000"},
		{At: on("2026-11-22 08:00"), Text: text("enters the Jade Lounge with two guests", "携两位宾客进入翡翠厅"), do: l.enterLounge},
		{At: on("2026-11-23 02:00"), Text: text("the lounge reports that one guest came", "贵宾厅报送：实到宾客一位"), do: l.reportLounge},
		{At: on("2026-11-29 10:00"), Text: text("books the golf day, before others may", "优先预订高尔夫体验日"), do: l.bookGolf},
		{At: on("2026-12-10 20:00"), Text: text("cancels the golf day in time", "按时取消高尔夫体验日"), do: l.cancelGolf},
		{At: on("2026-12-12 09:00"), Text: text("buys a coffee, and drinks it", "兑换并享用一杯咖啡"), do: l.drinkCoffee},
		{At: on("2026-12-13 06:00"), Text: text("a lounge abroad; the aggregator loses answers", "境外贵宾厅：聚合商丢失应答"), do: l.flyAbroad},
		{At: on("2026-12-15 11:00"), Text: text("returns the telephone", "退机，积分追回"), do: l.returnPhone},
		{At: on("2027-01-01 00:00"), Text: text("the year turns", "新年度开始")},
		{At: on("2027-06-05 09:00"), Text: text("a bill, with platinum's coefficient", "账单，按白金卡系数积分"), do: l.pay("3000"), bill: "3000"},
		{At: on("2028-01-01 00:00"), Text: text("the year turns again", "又一年度开始")},
		{At: on("2028-05-01 00:00"), Text: text("the tier lands softly", "等级平稳下调一级")},
		{At: on("2029-01-01 00:00"), Text: text("the points of 2026 expire", "2026 年的积分到期")},
	}
}

func (l *life) join(ctx context.Context) error {
	_, err := l.operator.EnrolMember(ctx, &v1.EnrolMemberRequest{
		IdempotencyKey: "join", MemberId: l.member, Kind: v1.MemberKind_MEMBER_KIND_PERSON, Plan: "plan-129", Region: "guangzhou",
		Segments: []string{"golfer"}, Language: "zh-Hans",
	})
	if err != nil {
		return err
	}
	_, err = l.earnBy(ctx, "welcome", &v1.Activity{Kind: "enrolment"})
	return err
}

// earnBy records an activity and returns the transaction's id.
func (l *life) earnBy(ctx context.Context, key string, a *v1.Activity) (string, error) {
	a.MemberId, a.Reference = l.member, key
	earned, err := l.billing.RecordActivity(ctx, &v1.RecordActivityRequest{IdempotencyKey: key, Activity: a})
	if err != nil {
		return "", err
	}
	return earned.Transaction.Id, nil
}

func (l *life) pay(amount string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := l.earnBy(ctx, "bill-"+amount, &v1.Activity{Kind: "bill", Amount: amount, Fields: []*v1.Field{
			{Name: "on_time", Value: &v1.Field_Flag{Flag: true}}, {Name: "roaming", Value: &v1.Field_Number{Number: "0"}},
		}})
		return err
	}
}

const telephone = "telephone"

func (l *life) buyPhone(ctx context.Context) error {
	_, err := l.earnBy(ctx, telephone, l.phone())
	return err
}

func (l *life) phone() *v1.Activity {
	return &v1.Activity{Kind: "purchase", Amount: "8000", Fields: []*v1.Field{{Name: "category", Value: &v1.Field_Text{Text: "phone"}}}}
}

// returnPhone names the purchase's transaction, which the key still answers.
func (l *life) returnPhone(ctx context.Context) error {
	bought, err := l.earnBy(ctx, telephone, l.phone())
	if err != nil {
		return err
	}
	_, err = l.billing.ReturnActivity(ctx, &v1.ReturnActivityRequest{
		IdempotencyKey: "return-" + telephone, TransactionId: bought, Reason: "returned", Reference: "credit-" + telephone,
	})
	return err
}

const jade = "can-t2-jade"

// visit shows a pass, paid for with a use of the allotment, at the door of the lounge.
func (l *life) visit(ctx context.Context) (*v1.Visit, error) {
	pass := &wish{order: order{No: "visit", Member: l.member}, benefit: loungePass, with: v1.PayWith_PAY_WITH_ALLOTMENT, key: "pass"}
	if err := l.claim(ctx, pass); err != nil {
		return nil, err
	}
	let, err := l.tills[loungePass].CheckInVisit(ctx, &v1.CheckInVisitRequest{
		IdempotencyKey: "visit", LoungeId: jade, Code: pass.voucher.Code, Guests: 2,
	})
	if err != nil {
		return nil, err
	}
	return let.Visit, nil
}

func (l *life) enterLounge(ctx context.Context) error {
	_, err := l.visit(ctx)
	return err
}

func (l *life) reportLounge(ctx context.Context) error {
	visit, err := l.visit(ctx)
	if err != nil {
		return err
	}
	_, err = l.tills[loungePass].ReportVisit(ctx, &v1.ReportVisitRequest{
		RecordId: "jade-0001", VisitId: visit.Id, LoungeId: jade, VisitedAt: visit.CheckedInAt, Guests: 1,
	})
	return err
}

func (l *life) golf(ctx context.Context) (*v1.BookEventResponse, error) {
	return l.app.BookEvent(ctx, &v1.BookEventRequest{
		IdempotencyKey: "golf", MemberId: l.member, EventId: "golf-day", PayWith: v1.PayWith_PAY_WITH_ALLOTMENT, Channel: "app",
	})
}

func (l *life) bookGolf(ctx context.Context) error {
	_, err := l.golf(ctx)
	return err
}

func (l *life) cancelGolf(ctx context.Context) error {
	booked, err := l.golf(ctx)
	if err != nil {
		return err
	}
	_, err = l.app.CancelBooking(ctx, &v1.CancelBookingRequest{
		IdempotencyKey: "cancel-golf", MemberId: l.member, BookingId: booked.Booking.Id, Channel: "app",
	})
	return err
}

// drinkCoffee buys a coffee in the app and shows its voucher at the till.
func (l *life) drinkCoffee(ctx context.Context) error {
	w := &wish{order: order{No: "coffee", Member: l.member}, benefit: "coffee", with: v1.PayWith_PAY_WITH_POINTS, key: "coffee"}
	if err := l.claim(ctx, w); err != nil {
		return err
	}
	return l.use("use")(ctx, w)
}
