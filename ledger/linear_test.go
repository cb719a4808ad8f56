package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"tallystick/internal/db"
	"tallystick/ledger"
)

// walletCall is what a caller asks of a wallet.
type walletCall struct {
	member string
	what   string // "accrue", "redeem", "hold", "balance"
	amount int64
}

// walletAnswer is what it hears: the wallet's balance afterwards, or why not.
type walletAnswer struct {
	unknown bool // the call may have happened at any later time, or never
	refused bool
	balance int64
}

// walletModel is a register that cannot go below zero, one for each member.
var walletModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byMember := make(map[string][]porcupine.Operation)
		for _, op := range history {
			member := op.Input.(walletCall).member
			byMember[member] = append(byMember[member], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byMember {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		balance, call, answer := state.(int64), input.(walletCall), output.(walletAnswer)
		next := balance
		switch {
		case call.what == "accrue":
			next += call.amount
		case call.what != "balance" && balance >= call.amount:
			next -= call.amount
		}
		refused := next == balance && call.what != "balance"
		if answer.unknown {
			return true, next
		}
		return answer.refused == refused && answer.balance == next, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
}

// history is what all callers did and heard, with the order in which calls began and ended.
type history struct {
	clock atomic.Int64
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func (h *history) record(client int, call walletCall, do func() walletAnswer) {
	op := porcupine.Operation{ClientId: client, Input: call, Call: h.clock.Add(1)}
	answer := do()
	op.Output, op.Return = answer, h.clock.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// leaveOpen lets the calls whose outcome nobody learned end after everything else.
func (h *history) leaveOpen() (open int) {
	end := h.clock.Add(1)
	for i := range h.ops {
		if h.ops[i].Output.(walletAnswer).unknown {
			h.ops[i].Return = end
			open++
		}
	}
	return open
}

// Wallets are linearizable through two servers, while statements fail, connections break and answers are lost, and for
// callers who give up as well as for those who insist.
func TestAWalletIsLinearizable(t *testing.T) {
	s := twoServers(t, liveDocument)
	if s.Pool.Dialect() != db.PostgreSQL {
		t.Skip("SKIPPED: the faults are raised in PostgreSQL's own language; this is", s.Pool.Dialect())
	}
	for round := range long {
		s.wire.storm(0.01, uint64(round))
		h := s.history(t, round)
		s.wire.storm(0, 0)
		open := h.leaveOpen()
		t.Logf("%d calls, %d of unknown outcome; faults by now: %v", len(h.ops), open, s.wire.happened())
		if open == 0 || open == len(h.ops) {
			t.Errorf("%d of %d calls have an unknown outcome", open, len(h.ops))
		}
		if result := porcupine.CheckOperationsTimeout(walletModel, h.ops, 2*time.Minute); result != porcupine.Ok {
			t.Errorf("round %d: porcupine says %s", round, result)
		}
		h.wantBrokenHistoryFound(t)
	}
}

// history lets all callers work on the wallets of some new members.
func (s *servers) history(t *testing.T, round int) *history {
	t.Helper()
	const members, calls = 16, 60
	h := new(history)
	together(callers, func(c int) {
		random := rand.New(rand.NewPCG(uint64(c), uint64(round)))
		for n := range calls {
			call := walletCall{
				member: named("m%d.%d", round, random.IntN(members)), amount: 1 + random.Int64N(20),
				what: []string{"accrue", "redeem", "hold", "balance"}[random.IntN(4)],
			}
			h.record(c, call, func() walletAnswer { return s.ask(t, c, call, named("k%d.%d.%d", round, c, n), random) })
		}
	})
	return h
}

// wantBrokenHistoryFound changes one answer, which must not be explainable any more.
func (h *history) wantBrokenHistoryFound(t *testing.T) {
	t.Helper()
	for i := len(h.ops) / 2; i < len(h.ops); i++ {
		if answer := h.ops[i].Output.(walletAnswer); !answer.unknown && !answer.refused {
			answer.balance += 1000
			h.ops[i].Output = answer
			break
		}
	}
	if result := porcupine.CheckOperationsTimeout(walletModel, h.ops, time.Minute); result != porcupine.Illegal {
		t.Errorf("porcupine says %s of a history with a wrong answer", result)
	}
}

// ask makes one call. A caller may give up while it is under way, once or for good.
func (s *servers) ask(t *testing.T, c int, call walletCall, name string, random *rand.Rand) walletAnswer {
	t.Helper()
	if call.what == "balance" {
		return s.askBalance(t, c, call.member)
	}
	var r ledger.Request
	switch call.what {
	case "accrue":
		r = accrue(s.Books, call.member, call.amount, name)
	case "redeem":
		r = ledger.Redeem(call.member, "points", amount(call.amount), key(name))
	case "hold":
		r = ledger.Reserve(s.Programme, call.member, "points", amount(call.amount), time.Hour, key(name))
	}
	if random.IntN(40) == 0 {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		answer, err := s.of(c).Post(ctx, s.Programme, r)
		cancel()
		if answer.Transaction == nil && random.IntN(2) == 0 {
			return walletAnswer{unknown: true}
		}
		if answer.Transaction != nil {
			return heard(t, answer, err)
		}
	}
	answer, _, err := s.insist(t, c, r)
	return heard(t, answer, err)
}

func (s *servers) askBalance(t *testing.T, c int, member string) walletAnswer {
	t.Helper()
	for {
		b, err := s.of(c).Balance(context.Background(), s.Programme, member, "points")
		switch {
		case err == nil:
			return walletAnswer{balance: b.Posted.IntPart()}
		case !db.IsRetryable(err):
			t.Errorf("balance: the error does not say that it may be tried again: %v", err)
			return walletAnswer{unknown: true}
		}
	}
}

func heard(t *testing.T, answer ledger.Answer, err error) walletAnswer {
	t.Helper()
	if refused(err, ledger.InsufficientPoints) {
		available, err := strconv.ParseInt(answer.Transaction.Detail["available"], 10, 64)
		if err != nil {
			t.Error(err)
		}
		return walletAnswer{refused: true, balance: available}
	}
	if err != nil {
		t.Errorf("%v", err)
		return walletAnswer{unknown: true}
	}
	leg := answer.Transaction.Legs[0]
	entry := leg.From
	if leg.To.Account.Place == ledger.Wallet {
		entry = leg.To
	}
	return walletAnswer{balance: entry.Balance.IntPart()}
}
