package rpc_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"tallystick/internal/auth"
	"tallystick/internal/rpc"
	v1 "tallystick/proto/tallystick/v1"
	api "tallystick/proto/tallystick/v1/tallystickv1connect"
)

// audiences says who each service is for, apart from the methods that some others may call too.
var audiences = map[string][]auth.Role{
	"LedgerService": {auth.System}, "MemberService": {auth.Member, auth.System}, "MerchantService": {auth.Merchant},
	"FinanceService": {auth.Finance}, "AdminService": {auth.Operator},
}

// alsoOperator, alsoFinance and alsoSystem are the methods of other audiences' services that they may call.
var (
	alsoSystem   = "SetMetrics ListMetrics"
	alsoOperator = "GetTier ListTierHistory Reverse Adjust Transfer GrantAllotment RecordActivity EstimateActivity ReturnActivity GetBalance ListEntries GetTransaction ExplainBalance ExplainTransaction ListHolds"
	alsoFinance  = "GetBalance ListEntries GetTransaction ExplainBalance ExplainTransaction ListHolds"
)

func mayCall(role auth.Role, service, method string) bool {
	for _, r := range audiences[service] {
		if r == role {
			return true
		}
	}
	among := func(list string) bool { return strings.Contains(" "+list+" ", " "+method+" ") }
	return role == auth.Operator && among(alsoOperator) || role == auth.Finance && among(alsoFinance) || role == auth.System && among(alsoSystem)
}

func eachMethod(visit func(service, method string)) {
	for _, file := range []protoreflect.FileDescriptor{
		v1.File_tallystick_v1_ledger_proto, v1.File_tallystick_v1_member_proto, v1.File_tallystick_v1_merchant_proto,
		v1.File_tallystick_v1_finance_proto, v1.File_tallystick_v1_admin_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				visit(string(service.Name()), string(service.Methods().Get(j).Name()))
			}
		}
	}
}

func TestEveryRoleCallsItsOwnMethodsOnly(t *testing.T) { // E29, E34
	w := newWorld(t, nil)
	before := w.books()
	eachMethod(func(service, method string) {
		procedure := "/tallystick.v1." + service + "/" + method
		for _, role := range auth.Roles {
			got := w.call(role, procedure, `{"nothing":"like it"}`)
			if refused := got.is("permission_denied", "NOT_PERMITTED"); refused == mayCall(role, service, method) {
				t.Errorf("%s calls %s: %d %s", role, procedure, got.status, got.body)
			}
		}
		got := w.do(http.MethodPost, procedure, `{}`)
		w.expect(procedure, got, "unauthenticated", "CREDENTIAL_MISSING") // E27
	})
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

// E27, E31–E33 as far as they apply to opaque API keys. E27's forged JWTs (alg none, a wrong key, issuer or audience) have no
// counterpart but what looks like one: a key is a look-up, there is nothing in it to believe. E32 and E33 are about signed
// requests, their clock skew and replays; nothing is signed here, a copied request is an idempotent retry (E23–E25), and the
// transport is the proxy's.
func TestKeysThatAreNotValidNowAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	before := w.books()
	valid := w.tokens[auth.System]
	other := auth.NewKeys(w.pool, "live")
	foreign, err := other.Issue(t.Context(), w.grant(auth.System))
	if err != nil {
		t.Fatal(err)
	}
	revoked := w.issue(w.grant(auth.Operator)) // revoked before its first use, so nobody remembers it
	if err := w.keys.Revoke(t.Context(), strings.Split(revoked, "_")[2]); err != nil {
		t.Fatal(err)
	}
	expired := w.issue(w.grant(auth.Finance))
	const expire = `UPDATE api_keys SET expires_at = now() WHERE id = $1`
	if _, err := w.owner.Exec(t.Context(), expire, strings.Split(expired, "_")[2]); err != nil {
		t.Fatal(err)
	}
	flipped := []byte(valid)
	flipped[30] ^= 1
	for name, header := range map[string]string{
		"one bit changed": "Bearer " + string(flipped), "of another environment": "Bearer " + foreign,
		"revoked": "Bearer " + revoked, "expired": "Bearer " + expired, "empty": "Bearer ", "no scheme": valid,
		"basic": "Basic " + valid, "a JWT": "Bearer eyJhbGciOiJub25lIn0.e30.", "cut short": "Bearer " + valid[:len(valid)-1],
		"two in one": "Bearer " + valid + "," + valid, "dots": "Bearer " + strings.Repeat(".", 8000),
	} {
		got := w.do(http.MethodPost, api.LedgerServiceAccrueProcedure, accrual().but(), "Authorization", header)
		w.expect(name, got, "unauthenticated", "CREDENTIAL_INVALID")
	}
	if after := w.books(); after != before {
		t.Errorf("the books changed from %v to %v", before, after)
	}
	w.balanced()
}

func TestMemberSeesItselfOnly(t *testing.T) { // E30
	w := newWorld(t, nil)
	w.accrue("m1", "100")
	w.accrue("m2", "900")
	for _, c := range []struct{ procedure, rest string }{
		{api.MemberServiceGetWalletProcedure, ""},
		{api.MemberServiceListBenefitsProcedure, ""},
		{api.MemberServiceListAllotmentsProcedure, ""},
		{api.MemberServiceCheckEntitlementProcedure, `,"benefitId":"pass"`},
		{api.MemberServiceListVouchersProcedure, ""},
		{api.MemberServiceListStatementProcedure, `,"unit":"points"`},
		{api.MemberServicePreviewRedemptionProcedure, `,"benefitId":"b","payWith":"PAY_WITH_POINTS"`},
		{api.MemberServiceRedeemBenefitProcedure, `,"benefitId":"b","payWith":"PAY_WITH_POINTS","idempotencyKey":"k"`},
		{api.MemberServiceCancelRedemptionProcedure, `,"voucherId":"0190163d-8694-739b-aea5-966c26f8ad91","idempotencyKey":"k"`},
	} {
		got := w.call(auth.Member, c.procedure, `{"memberId":"m2"`+c.rest+`}`)
		w.expect(c.procedure, got, "not_found", "NOT_FOUND")
	}
	own := w.call(auth.Member, api.MemberServiceGetWalletProcedure, `{}`)
	if own.code != "ok" || !strings.Contains(string(own.body), `"100"`) || strings.Contains(string(own.body), `"900"`) {
		t.Errorf("own wallet: %s", own.body)
	}
	w.expect("a system names nobody", w.call(auth.System, api.MemberServiceGetWalletProcedure, `{}`), invalid, "INVALID_FIELD")
	w.balanced()
}

func TestCredentialHasItsRate(t *testing.T) {
	w := newWorld(t, func(cfg *rpc.Config) {
		cfg.ExemptClients = nil
		cfg.Rates = rpc.Rates{auth.System: 1.0 / 3600, auth.Finance: 1000}
	})
	ask := func(token string) answer {
		return w.do(http.MethodPost, api.LedgerServiceGetBalanceProcedure, `{"memberId":"m1","unit":"points"}`, "Authorization", "Bearer "+token)
	}
	other := w.issue(w.grant(auth.System))
	w.expect("the first call of an hour", ask(w.tokens[auth.System]), "ok", "")
	w.expect("the second", ask(w.tokens[auth.System]), exhausted, "RATE_LIMITED")
	w.expect("the first of another key of the same client", ask(other), "ok", "")
	w.expect("its second", ask(other), exhausted, "RATE_LIMITED")
	w.expect("another credential", w.call(auth.Finance, api.FinanceServiceGetTrialBalanceProcedure, `{}`), "ok", "")
	w.expect("a role without a rate", w.call(auth.Operator, api.AdminServiceListWebhooksProcedure, `{}`), exhausted, "RATE_LIMITED")
}

func TestKeysOfTwoMembersOfOneAppDoNotMeet(t *testing.T) {
	w := newWorld(t, nil)
	grant := w.grant(auth.Member)
	first, err := w.keys.Verify(t.Context(), w.issue(grant))
	if err != nil {
		t.Fatal(err)
	}
	grant.Subject = "m2"
	second, err := w.keys.Verify(t.Context(), w.issue(grant))
	if err != nil {
		t.Fatal(err)
	}
	if first.Holder() == second.Holder() {
		t.Errorf("both are %s", first.Holder())
	}
}
