package rpc_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"tallystick/internal/auth"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

func claim(member, benefit string) fields {
	return merge(write("benefitId", benefit, "memberId", member), "payWith", "PAY_WITH_POINTS")
}

// redeemed claims a benefit for a member and returns the voucher.
func (w *world) redeemed(member, benefit string, with v1.PayWith) *v1.RedeemBenefitResponse {
	w.t.Helper()
	res, err := api.NewMemberServiceClient(w.client(auth.System), w.url).RedeemBenefit(w.t.Context(), &v1.RedeemBenefitRequest{
		IdempotencyKey: uuid.NewString(), MemberId: member, BenefitId: benefit, PayWith: with,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// merchant is a terminal of another partner.
func (w *world) merchant(subject string) {
	w.t.Helper()
	grant := w.grant(auth.Merchant)
	grant.Subject = subject
	w.tokens[auth.Merchant] = w.issue(grant)
}

func TestAMemberIsShownTheCodesOfOwnVouchersAlone(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "1000")
	voucher := w.redeemed("m1", "pass", v1.PayWith_PAY_WITH_POINTS).Voucher
	members := api.NewMemberServiceClient(w.client(auth.System), w.url)
	shown, err := members.GetVoucherCode(t.Context(), &v1.GetVoucherCodeRequest{VoucherId: voucher.Id, MemberId: "m1"})
	if err != nil || shown.Code != voucher.Code || len(shown.RotatingCodes) < 2 {
		t.Fatalf("%v, %v", shown, err)
	}
	for i, r := range shown.RotatingCodes[1:] {
		if before := shown.RotatingCodes[i]; !before.Until.AsTime().Equal(r.From.AsTime()) || r.Token == before.Token {
			t.Errorf("after %v comes %v", before, r)
		}
	}
	look := w.call(auth.Merchant, api.MerchantServiceValidateVoucherProcedure, fields{"code": quote(shown.RotatingCodes[0].Token)}.but())
	if look.code != "ok" || !bytes.Contains(look.body, []byte("VOUCHER_STATE_ISSUED")) {
		t.Errorf("validate: %s", look.body)
	}
	ask := fields{"voucherId": quote(voucher.Id), "memberId": `"m2"`}
	w.expect("another member's", w.call(auth.System, api.MemberServiceGetVoucherCodeProcedure, ask.but()), "not_found", "NOT_FOUND")
	w.expect("no voucher", w.call(auth.System, api.MemberServiceGetVoucherCodeProcedure, ask.but("voucherId", quote(uuid.NewString()))), "not_found", "NOT_FOUND")
	use := write("code", shown.RotatingCodes[0].Token)
	w.expect("redeem", w.call(auth.Merchant, api.MerchantServiceRedeemVoucherProcedure, use.but()), "ok", "")
	used, err := members.GetVoucherCode(t.Context(), &v1.GetVoucherCodeRequest{VoucherId: voucher.Id, MemberId: "m1"})
	if err != nil || len(used.RotatingCodes) != 0 {
		t.Errorf("%v, %v", used, err)
	}
}

func TestVoucherGoesFromMemberToMerchantAndBack(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "1000")
	voucher := w.redeemed("m1", "pass", v1.PayWith_PAY_WITH_POINTS).Voucher
	typed := strings.ToLower(voucher.Code[:4] + " " + voucher.Code[4:9] + "-" + voucher.Code[9:])
	look := w.call(auth.Merchant, api.MerchantServiceValidateVoucherProcedure, fields{"code": quote(typed)}.but())
	if look.code != "ok" || !bytes.Contains(look.body, []byte("VOUCHER_STATE_ISSUED")) || bytes.Contains(look.body, []byte("m1")) {
		t.Errorf("validate: %s", look.body)
	}
	use := merge(write("code", voucher.Code), "outlet", "gate-4")
	first := w.call(auth.Merchant, api.MerchantServiceRedeemVoucherProcedure, use.but())
	w.expect("redeem", first, "ok", "")
	again := w.call(auth.Merchant, api.MerchantServiceRedeemVoucherProcedure, use.but())
	if !bytes.Equal(first.body, again.body) || bytes.Contains(first.body, []byte("m1")) {
		t.Errorf("redeem\n%s\nagain\n%s", first.body, again.body)
	}
	second := w.call(auth.Merchant, api.MerchantServiceRedeemVoucherProcedure, use.but("idempotencyKey", `"2"`))
	w.expect("redeem twice", second, forbidden, "VOUCHER_USED")
	_, rest, _ := strings.Cut(string(first.body), `"redemptionId":"`)
	back := w.call(auth.Merchant, api.MerchantServiceReverseVoucherProcedure, write("redemptionId", rest[:36]).but())
	w.expect("reverse", back, "ok", "")
	cancel := write("voucherId", voucher.Id, "memberId", "m1")
	w.expect("cancel", w.call(auth.System, api.MemberServiceCancelRedemptionProcedure, cancel.but()), "ok", "")
	if got := w.available("m1"); got != "1000" {
		t.Errorf("available %s, want 1000", got)
	}
	gone := w.call(auth.Merchant, api.MerchantServiceRedeemVoucherProcedure, use.but("idempotencyKey", `"3"`))
	if gone.code != forbidden {
		t.Errorf("after it was given back: %s", gone.body)
	}
	if log := strings.ToUpper(w.log.String()); strings.Contains(log, voucher.Code) {
		t.Errorf("the log shows the code: %s", log)
	}
	w.balanced()
}

func TestAllotmentPaysLikePoints(t *testing.T) {
	w := newWorld(t, nil)
	w.accrue("m1", "600")
	w.redeemed("m1", "pass", v1.PayWith_PAY_WITH_ALLOTMENT)
	w.redeemed("m1", "pass", v1.PayWith_PAY_WITH_ALLOTMENT)
	third := w.call(auth.Member, api.MemberServiceRedeemBenefitProcedure, claim("m1", "pass").but("payWith", `"PAY_WITH_ALLOTMENT"`))
	w.expect("a third", third, forbidden, "INSUFFICIENT_POINTS")
	if got := w.available("m1"); got != "600" {
		t.Errorf("available %s, want 600", got)
	}
	w.balanced()
}

func TestStrangersCodesAreAllAnsweredAlike(t *testing.T) { // E35, E36, E38
	w := newWorld(t, nil)
	w.accrue("m1", "1000")
	code := w.redeemed("m1", "pass", v1.PayWith_PAY_WITH_POINTS).Voucher.Code
	w.merchant("other-house/door")
	before := w.books()
	for _, procedure := range []string{api.MerchantServiceValidateVoucherProcedure, api.MerchantServiceRedeemVoucherProcedure} {
		body := func(code string) string {
			f := fields{"code": quote(code)}
			if procedure == api.MerchantServiceRedeemVoucherProcedure {
				f["idempotencyKey"] = `"k"`
			}
			return f.but()
		}
		theirs := w.call(auth.Merchant, procedure, body(code))
		unknown := w.call(auth.Merchant, procedure, body("0000000000000000"))
		w.expect("another merchant's", theirs, "not_found", "NOT_FOUND")
		if !bytes.Equal(theirs.body, unknown.body) || theirs.status != unknown.status {
			t.Errorf("another merchant's code is answered\n%s\nand an unknown one\n%s", theirs.body, unknown.body)
		}
		w.expect("short", w.call(auth.Merchant, procedure, body("1234")), invalid, "CODE_MALFORMED")
		w.expect("look-alike", w.call(auth.Merchant, procedure, body("а"+code[1:])), invalid, "INVALID_FIELD")
		w.expect("zero width", w.call(auth.Merchant, procedure, body(code+"\u200d")), invalid, "INVALID_FIELD")
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

func TestLastSeatGoesToOneOfSixtyFour(t *testing.T) { // E57
	w := newWorld(t, nil)
	for i := range 64 {
		w.accrue(fmt.Sprintf("g%d", i), "10")
	}
	answers := make([]answer, 64)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			answers[i] = w.call(auth.System, api.MemberServiceRedeemBenefitProcedure, claim(fmt.Sprintf("g%d", i), "seat").but())
		})
	}
	all.Wait()
	if n := count(answers, "ok", ""); n != 1 {
		t.Errorf("%d got the seat", n)
	}
	if n := count(answers, forbidden, "OUT_OF_STOCK"); n != 63 {
		t.Errorf("%d were told that it is gone: %s", n, answers[0].body)
	}
	w.balanced()
}

func TestTierThatIsLostMeanwhileIsNotEnough(t *testing.T) { // E58
	w := newWorld(t, nil)
	accrued := w.accrue("m1", "500")
	w.accrue("m1", "100")
	list := w.call(auth.Member, api.MemberServiceListBenefitsProcedure, `{}`)
	if !strings.Contains(strings.ReplaceAll(string(list.body), " ", ""), `"redeemable":true`) {
		t.Fatalf("not redeemable: %s", list.body)
	}
	w.posted(api.LedgerServiceReverseProcedure, write("transactionId", accrued.Id))
	w.expect("claim", w.call(auth.Member, api.MemberServiceRedeemBenefitProcedure, claim("m1", "dinner").but()), forbidden, "NOT_ELIGIBLE")
	w.balanced()
}

func TestWebhooksGoToPublicHTTPSOnly(t *testing.T) { // E52
	w := newWorld(t, nil)
	create := api.AdminServiceCreateWebhookProcedure
	for _, url := range []string{
		"http://example.com/", "https://169.254.169.254/", "https://[::1]/", "https://127.0.0.1/", "https://10.0.0.1/hook",
		"https://0.0.0.0/", "https://[::ffff:127.0.0.1]/", "https://user:secret@93.184.216.34/", "https://93.184.216.34/#x",
		"file:///etc/passwd", "gopher://93.184.216.34/", "https://", "https://93.184.216.34:0/", "//93.184.216.34/", "https://exa mple/",
	} {
		w.expect(url, w.call(auth.Operator, create, write("url", url).but()), invalid, "INVALID_FIELD")
	}
	f := write("url", "https://93.184.216.34/hook")
	first := w.call(auth.Operator, create, f.but())
	w.expect("a public one", first, "ok", "")
	if !bytes.Contains(first.body, []byte("whsec_")) {
		t.Errorf("no secret: %s", first.body)
	}
	again := w.call(auth.Operator, create, f.but())
	if again.code != "ok" || bytes.Contains(again.body, []byte("whsec_")) {
		t.Errorf("the secret is shown twice: %s", again.body)
	}
	w.expect("key reused", w.call(auth.Operator, create, f.but("url", `"https://93.184.216.34/other"`)), forbidden, "IDEMPOTENCY_KEY_REUSED")

	_, rest, _ := strings.Cut(string(first.body), `"id":"`)
	hook := write("webhookId", rest[:36])
	w.expect("a position not reached", w.call(auth.Operator, api.AdminServiceReplayWebhookProcedure, hook.but("position", `[{"stripe":1,"n":"99999"}]`)), invalid, "INVALID_FIELD")
	w.expect("no such stripe", w.call(auth.Operator, api.AdminServiceReplayWebhookProcedure, hook.but("position", `[{"stripe":64}]`)), invalid, "INVALID_FIELD")
	w.expect("a stripe twice", w.call(auth.Operator, api.AdminServiceReplayWebhookProcedure, hook.but("position", `[{"stripe":1},{"stripe":1}]`)), invalid, "INVALID_FIELD")
	w.expect("replay", w.call(auth.Operator, api.AdminServiceReplayWebhookProcedure, anew(hook)), "ok", "")
	w.expect("resume", w.call(auth.Operator, api.AdminServiceResumeWebhookProcedure, anew(hook)), "ok", "")
	rotation := anew(hook)
	rotated := w.call(auth.Operator, api.AdminServiceRotateWebhookSecretProcedure, rotation)
	w.expect("rotate", rotated, "ok", "")
	if again := w.call(auth.Operator, api.AdminServiceRotateWebhookSecretProcedure, rotation); !bytes.Equal(again.body, rotated.body) {
		t.Error("a retry of a rotation answers another secret")
	}
	w.expect("the key of the rotation", w.call(auth.Operator, api.AdminServiceDeleteWebhookProcedure, rotation), forbidden, "IDEMPOTENCY_KEY_REUSED")
	end := anew(hook)
	w.expect("delete", w.call(auth.Operator, api.AdminServiceDeleteWebhookProcedure, end), "ok", "")
	w.expect("the same deletion", w.call(auth.Operator, api.AdminServiceDeleteWebhookProcedure, end), "ok", "")
	w.expect("delete again", w.call(auth.Operator, api.AdminServiceDeleteWebhookProcedure, anew(hook)), "not_found", "NOT_FOUND")
	if list := w.call(auth.Operator, api.AdminServiceListWebhooksProcedure, `{}`); list.code != "ok" || bytes.Contains(list.body, []byte("93.184")) {
		t.Errorf("list: %s", list.body)
	}
	w.balanced()
}

// anew is the request under a key that was never used.
func anew(f fields) string { return f.but("idempotencyKey", quote(uuid.NewString())) }
