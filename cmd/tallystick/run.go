package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tallystick/internal/auth"
	"tallystick/internal/devdb"
	"tallystick/ledger"
)

// vipClub is the programme that run loads.
//
//go:embed demo/vip-club.yaml
var vipClub []byte

type runCommand struct {
	Dir    string `help:"Folder of the local database, which lasts, when DATABASE_URL is not set." placeholder:"DIR"`
	Listen string `help:"Address to listen on." default:"127.0.0.1:8080"`
}

// Run keeps the service up until it is interrupted.
func (c *runCommand) Run(ctx context.Context, s *streams) error {
	dir := c.Dir
	if dir == "" {
		var err error
		if dir, err = devdb.DefaultDir(); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewTextHandler(s.err, nil))
	site, err := openSite(ctx, devdb.Config{Dir: dir, Alone: true}, servingConfig{addr: c.Listen, loopback: true, sweep: 10 * time.Second, log: log})
	if err != nil {
		return err
	}
	if err := c.keepUp(ctx, s, site); err != nil {
		return errors.Join(err, site.close())
	}
	return site.close()
}

func (c *runCommand) keepUp(ctx context.Context, s *streams, site *site) error {
	programme, err := clubOf(ctx, site)
	if err != nil {
		return err
	}
	if err := wind(ctx, site.ledger, programme); err != nil {
		return err
	}
	keys, err := runKeys(ctx, site, programme)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Tallystick is up at %s\n  database   %s\n  programme  %s, version %d, a sandbox: its clock stands still until it is moved\n\n",
		site.url, site.server.Engine(), programme.Name, programme.Version)
	fmt.Fprint(s.out, whatToTry(site.url, keys))
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.err, "stopping")
		return nil
	case err := <-site.served:
		return err
	}
}

// clubOf is the VIP club as it was last applied, or the shipped document where there is none yet: what its user changed
// stays.
func clubOf(ctx context.Context, site *site) (*ledger.Programme, error) {
	programme, err := site.ledger.Programme(ctx, ledger.ProgrammeID("vip-club"))
	if errors.Is(err, &ledger.Refusal{Reason: ledger.NotFoundReason}) {
		return applied(ctx, site, vipClub)
	}
	return programme, err
}

// wind sets the sandbox's clock to the present when it is behind.
func wind(ctx context.Context, l *ledger.Ledger, p *ledger.Programme) error {
	state, err := l.State(ctx, p.ID)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	if !state.Now.Before(now) {
		return nil
	}
	_, err = l.Post(ctx, p.ID, ledger.SetClock(now, byOperator("run-"+now.Format(time.RFC3339), "run")))
	return err
}

// runKeys issues the development credentials, by the name of the shell variable that holds each.
func runKeys(ctx context.Context, site *site, p *ledger.Programme) (map[string]string, error) {
	keys := make(map[string]string)
	for _, k := range [...]struct {
		name, client, subject string
		role                  auth.Role
	}{
		{"BILLING", "billing", "", auth.System},
		{"MEMBER", "app", "ann", auth.Member},
		{"MERCHANT", "till", "pearl-lounges/guangzhou-t2", auth.Merchant},
		{"FINANCE", "finance", "", auth.Finance},
		{"OPERATOR", "operator", "", auth.Operator},
	} {
		token, err := site.key(ctx, p.ID, k.role, k.client, k.subject)
		if err != nil {
			return nil, err
		}
		keys[k.name] = token
	}
	return keys, nil
}

// whatToTry is a walk through the main job that can be pasted into a shell.
func whatToTry(url string, keys map[string]string) string {
	text := "Credentials for development; paste these first:\n\n"
	for _, name := range [...]string{"BILLING", "MEMBER", "MERCHANT", "FINANCE", "OPERATOR"} {
		text += fmt.Sprintf("  %s=%s\n", name, keys[name])
	}
	return text + fmt.Sprintf(`  call() { curl -sS -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d "$3" %s/tallystick.v1.$2; echo; }

Then the main job, step by step:

  # a year of the 599 plan, paid ahead: it earns points, and the growth that makes the tier
  call $BILLING LedgerService/RecordActivity '{"idempotencyKey": "bill-1", "activity": {"kind": "bill", "memberId": "ann", "amount": "7188.00", "fields": [{"name": "on_time", "flag": true}, {"name": "roaming", "number": "0"}]}}'
  # the member looks at the wallet and the catalog
  call $MEMBER MemberService/GetWallet '{}'
  call $MEMBER MemberService/ListBenefits '{}'
  # and redeems a lounge pass with points; the answer has the voucher's code
  call $MEMBER MemberService/RedeemBenefit '{"idempotencyKey": "redeem-1", "benefitId": "lounge-pass", "payWith": "PAY_WITH_POINTS"}'
  CODE=$(call $MEMBER MemberService/ListVouchers '{"pageSize": 1}' | sed 's/.*"code": *"\([^"]*\)".*/\1/')
  # the merchant looks at the voucher and redeems it
  call $MERCHANT MerchantService/ValidateVoucher "{\"code\": \"$CODE\"}"
  call $MERCHANT MerchantService/RedeemVoucher "{\"idempotencyKey\": \"use-1\", \"code\": \"$CODE\"}"
  # finance reads books that add up to zero
  call $FINANCE FinanceService/GetTrialBalance '{}'

It is served until you press Ctrl-C; the data stay.
`, url)
}
