package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

// comparison is the load that other ledgers get: the same members, drawn the same way, by the same clients.
var comparison = []measure{
	{"accrue", "accrual", []int{1, 8, 32, 256}, (*bench).otherAccrue},
	{"accrue_hot", "accrual of one single member", []int{32}, (*bench).otherAccrueHot},
	{"accrue_batch100", "accrual, 100 a call", []int{1, 4}, (*bench).otherBatch},
	{"balance", "balance read", []int{1, 8, 32, 256}, (*bench).otherBalance},
}

// other is a ledger that is driven over its own HTTP and JSON.
type other struct {
	name    string
	address string
	book    string // its word for a ledger that is ours alone
	accrue  func(o *other, c *caller, member string, amount int) error
	batch   func(o *other, c *caller, members []string, amount int) error
	balance func(o *other, c *caller, member string) error
}

// findOther asks a server what it is and makes a book on it.
func findOther(ctx context.Context, address string) (*other, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("bench: %q is not the address of a server, such as http://127.0.0.1:3068", address)
	}
	o := &other{address: u.Host, book: "bench-" + uuid.NewString()[:8]}
	c, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	status, answer, err := c.send(http.MethodGet, "/v2/_info", nil)
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK && strings.Contains(string(answer), "ledger") {
		return o, o.useFormance(c)
	}
	return o, o.useBlnk(c)
}

func (o *other) dial(ctx context.Context) (*caller, error) {
	return dial(ctx, o.address, "application/json", "")
}

// ask makes a call with a JSON body; anything but success fails the run.
func ask(c *caller, method, path string, body any, response any, headers ...string) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	status, answer, err := c.send(method, path, text, headers...)
	if err != nil {
		return err
	}
	if status >= http.StatusMultipleChoices {
		return fmt.Errorf("bench: %s %s answered %d: %.500s", method, path, status, answer)
	}
	if response == nil {
		return nil
	}
	return json.Unmarshal(answer, response)
}

type object map[string]any

// useFormance is for Formance's ledger, version 2.
func (o *other) useFormance(c *caller) error {
	o.name = "Formance"
	posting := func(member string, amount int) object {
		return object{"postings": []object{{
			"source": "world", "destination": "members:" + member, "amount": amount, "asset": "PTS",
		}}}
	}
	o.accrue = func(o *other, c *caller, member string, amount int) error {
		return ask(c, http.MethodPost, "/v2/"+o.book+"/transactions", posting(member, amount), nil,
			"Idempotency-Key: "+uuid.NewString())
	}
	o.batch = func(o *other, c *caller, members []string, amount int) error {
		items := make([]object, len(members))
		for i, m := range members {
			items[i] = object{"action": "CREATE_TRANSACTION", "ik": uuid.NewString(), "data": posting(m, amount)}
		}
		return ask(c, http.MethodPost, "/v2/"+o.book+"/_bulk", items, nil)
	}
	o.balance = func(o *other, c *caller, member string) error {
		return ask(c, http.MethodGet, "/v2/"+o.book+"/accounts/members:"+member+"?expand=volumes", nil, nil)
	}
	return ask(c, http.MethodPost, "/v2/"+o.book, object{}, nil)
}

// useBlnk is for Blnk, posting at once instead of through its queue, so that an answer means what ours means.
func (o *other) useBlnk(c *caller) error {
	o.name = "Blnk"
	var made struct {
		ID string `json:"ledger_id"`
	}
	if err := ask(c, http.MethodPost, "/ledgers", object{"name": o.book}, &made); err != nil || made.ID == "" {
		return errors.Join(errors.New("bench: the server is neither Formance's ledger nor Blnk"), err)
	}
	posting := func(member string, amount int) object {
		return object{
			"amount": amount, "precision": 1, "currency": "PTS", "reference": uuid.NewString(), "source": "@World-PTS",
			"destination": "@" + o.book + "-" + member, "description": "accrual", "allow_overdraft": true, "skip_queue": true,
		}
	}
	o.accrue = func(_ *other, c *caller, member string, amount int) error {
		return ask(c, http.MethodPost, "/transactions", posting(member, amount), nil)
	}
	o.batch = func(_ *other, c *caller, members []string, amount int) error {
		items := make([]object, len(members))
		for i, m := range members {
			items[i] = posting(m, amount)
		}
		return ask(c, http.MethodPost, "/transactions/bulk", object{"atomic": false, "skip_queue": true, "transactions": items}, nil)
	}
	o.balance = func(o *other, c *caller, member string) error {
		return ask(c, http.MethodGet, "/balances/indicator/@"+o.book+"-"+member+"/currency/PTS", nil, nil)
	}
	return nil
}

func (b *bench) driveOther(ctx context.Context, n int, call func(c *caller) (int, error)) (Result, error) {
	list, err := clients(n, func(int) (client, error) {
		c, err := b.other.dial(ctx)
		return func(context.Context) (int, error) { return call(c) }, err
	})
	if err != nil {
		return Result{}, err
	}
	return b.driveFor(ctx, list)
}

func (b *bench) otherAccrue(ctx context.Context, n int) (Result, error) {
	return b.driveOther(ctx, n, func(c *caller) (int, error) {
		return 1, b.other.accrue(b.other, c, b.someMember(), 1+rand.N(500))
	})
}

func (b *bench) otherAccrueHot(ctx context.Context, n int) (Result, error) {
	return b.driveOther(ctx, n, func(c *caller) (int, error) {
		return 1, b.other.accrue(b.other, c, "hot", 1+rand.N(500))
	})
}

func (b *bench) otherBatch(ctx context.Context, n int) (Result, error) {
	return b.driveOther(ctx, n, func(c *caller) (int, error) {
		members := make([]string, 100)
		for i := range members {
			members[i] = b.someMember()
		}
		return len(members), b.other.batch(b.other, c, members, 1+rand.N(500))
	})
}

// otherBalance reads members who have something; the first accruals of a run see to that.
func (b *bench) otherBalance(ctx context.Context, n int) (Result, error) {
	c, err := b.other.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	const known = 100
	for i := range known {
		if err := b.other.accrue(b.other, c, member(i), 1); err != nil {
			return Result{}, err
		}
	}
	return b.driveOther(ctx, n, func(c *caller) (int, error) {
		return 1, b.other.balance(b.other, c, member(rand.N(known)))
	})
}
