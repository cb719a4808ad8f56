package ledger

import (
	"bytes"
	"slices"
	"time"
)

// entry checks one entry against its account so far.
func (s *accountStep) entry(a *verifiedAccount, c [][]byte) {
	recordedAt, seq, effectiveAt := rawTime(c[1]), rawInt8(c[2]), rawTime(c[8])
	amount, ok1 := numeric(c[6]).fixed()
	balance, ok2 := numeric(c[7]).fixed()
	if !ok1 || !ok2 {
		s.fail(checkBalance, a.entryName(seq), "an amount is out of range")
	}
	s.chain(a, c)
	if seq != a.now.seq+1 {
		s.fail(checkSeq, a.entryName(seq), "it follows seq %d", a.now.seq)
	}
	if sum := a.now.balance.add(amount); sum != balance || amount.isZero() {
		s.fail(checkBalance, a.entryName(seq), "balance %s, but %s and %s make %s", balance, a.now.balance, amount, sum)
	}
	if !a.admits(balance) {
		s.fail(checkFloor, a.entryName(seq), "balance %s in place %s", balance, a.placeText)
	}
	f := s.fact.reset()
	f.canon = append(append(f.canon, c[0]...), c[3]...)
	f.int(int64(rawInt2(c[4])))
	f.int(seq)
	f.micro(recordedAt)
	f.micro(effectiveAt)
	f.fixed(amount)
	f.raw(c[5])
	s.tally.add(aboutSides, right, rawID(c[3]), f.canon)
	a.now.seq, a.now.recordedAt, a.now.balance = seq, recordedAt, balance
	s.draws(a, c, amount)
	for _, n := range [...]check{checkChain, checkSeq, checkBalance, checkFloor, checkLots} {
		s.counts[n]++
	}
}

// chain re-computes the entry's hash (Entry.chain says what it covers).
func (s *accountStep) chain(a *verifiedAccount, c [][]byte) {
	h := s.hash[:0]
	h.text("entry/1")
	h.bytes(a.now.head)
	h = append(h, c[0]...)
	h.micro(rawTime(c[1]))
	h.int(rawInt8(c[2]))
	h = append(h, c[3]...)
	h.int(int64(rawInt2(c[4])))
	h.raw(c[5])
	h.numeric(c[6])
	h.numeric(c[7])
	h.micro(rawTime(c[8]))
	h.raw(c[9])
	s.hash = h
	if !h.hashes(c[10]) {
		s.fail(checkChain, a.entryName(rawInt8(c[2])), "the row or the one before it was changed")
	}
	a.now.head = append(a.now.head[:0], c[10]...)
}

// admits reports whether the place may have the balance (L3). How deep a debt may be is the unit's matter, and changes.
func (a *verifiedAccount) admits(balance fixed) bool {
	switch _, floored := (Account{Place: a.place}).floor(Unit{}); {
	case !floored:
		return true
	case a.place == Debt, a.place == Cap:
		return !balance.positive()
	default:
		return !balance.negative()
	}
}

// draws follows the entry's lot lines (L5), and notes a debit of lapsed lots (L7).
func (s *accountStep) draws(a *verifiedAccount, c [][]byte, amount fixed) {
	text := c[9]
	if !a.place.bearsLots() {
		if len(text) > 0 && a.known {
			s.fail(checkLots, a.entryName(a.now.seq), "lot lines in place %s", a.placeText)
		}
		return
	}
	var sum fixed
	lapsed, live := false, false
	for line := range bytes.SplitSeq(text, []byte(";")) {
		bar := bytes.LastIndexByte(line, '|')
		part, ok := parseFixed(line[bar+1:])
		if bar < 0 || !ok || !s.draw(a, line[:bar], part) {
			s.fail(checkLots, a.entryName(a.now.seq), "lot line %q is not readable or overdraws its lot", line)
			return
		}
		sum = sum.add(part)
		if s.expiries[string(line[:bytes.IndexByte(line, '|')])] <= a.now.recordedAt {
			lapsed = true
		} else {
			live = true
		}
	}
	if sum != amount {
		s.fail(checkLots, a.entryName(a.now.seq), "lot lines sum to %s, the amount is %s", sum, amount)
	}
	if amount.negative() && lapsed && (a.place == Wallet || a.place == Voucher) && string(c[5]) != string(KindForfeiture) {
		if live {
			s.fail(checkLapse, a.entryName(a.now.seq), "it takes lapsed and live lots at once")
		}
		f := s.fact.reset()
		f.canon = append(f.canon, c[3]...)
		f.int(int64(rawInt2(c[4])))
		s.tally.add(aboutLapse, right, rawID(c[3]), f.canon)
	}
}

// draw adds one lot line to its lot. It reports false when the line is not readable, or the lot lacks what it takes.
func (s *accountStep) draw(a *verifiedAccount, key []byte, part fixed) bool {
	text, _, ok := bytes.Cut(key, []byte("|"))
	expires, cached := s.expiries[string(text)]
	if !cached {
		at, err := time.Parse(drawTime, string(text))
		if err != nil {
			return false
		}
		if len(s.expiries) > 10_000 {
			clear(s.expiries)
		}
		expires = at.UnixMicro()
		s.expiries[string(text)] = expires
	}
	if a.now.seq == 1 {
		a.now.firstExpiry = expires
	}
	lots := a.now.lots
	i := slices.IndexFunc(lots, func(l verifiedLot) bool { return l.key == string(key) })
	if i < 0 {
		a.now.lots = append(lots, verifiedLot{key: string(key), expires: expires, amount: part})
		return ok && part.positive()
	}
	if lots[i].amount = lots[i].amount.add(part); lots[i].amount.isZero() {
		a.now.lots = slices.Delete(lots, i, i+1)
		return ok
	}
	return ok && lots[i].amount.positive()
}
