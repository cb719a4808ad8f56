// Package ledger is the journal: points and everything else that is counted, in double entry.
//
// # Model
//
// Everything countable is a unit, and every state that units can be in is a place where they wait. An account is one
// owner's balance of one unit in one place. A transaction is an immutable, atomic list of legs; a leg moves an amount
// from one account to another, so an unbalanced transaction cannot be written down. Each leg makes two entries, one for
// each account. Units that expire travel in lots: what shares an expiry and a fund in one account.
//
//	accrual       issuance        → wallet            makes or grows a lot
//	pending       issuance        → pending/<id>      activation moves it to the wallet
//	redemption    wallet          → redeemed          draws the lots that expire soonest
//	hold          wallet          → hold/<id>         capture: hold → redeemed; void, timeout: hold → wallet
//	expiry        wallet          → breakage          whatever has reached its expires_at
//	redating      wallet          → wallet            old lot out, new lot in
//	transfer      wallet          → another wallet    lots keep expiry and fund
//	merge         wallet          → another wallet    all of them, and debt → debt; taken back whole
//	forfeiture    wallet, pending, hold, voucher → breakage    the end of a membership
//	reversal      the same legs backwards, in any number of parts
//	clawback      wallet, then debt → issuance        an accrual taken back
//
// The journal is what is never changed: transactions (posted and rejected), legs, entries and seals. Accounts, lots, open
// places, follow-ups, references and freezes are projections: they could be rebuilt from the journal, and Verify does so.
//
// # Invariants
//
//	L1  every transaction balances per unit
//	L2  journal rows are never updated or deleted
//	L3  no account falls below its floor
//	L4  a balance is the sum of its entries and the last entry's balance after; seq has no gap; recorded_at never falls
//	L5  the lots of a wallet, pending, hold or voucher place sum to its balance
//	L6  one idempotency key, one effect
//	L7  nothing leaves a wallet, except to breakage, at or after its expires_at
//	L8  every account chain and every seal chain verifies
//
// # The way of a posting
//
// A Request says what is wanted. The Poster collects the requests of one programme that wait in a lane, and in one
// database transaction loads what decides them under lock, applies them (a pure function over the loaded Book), saves
// and commits; only then do the callers get their Transaction. What apply refuses for a reason that depends on the state
// is recorded as a rejected transaction, so the same key gets the same answer for ever.
//
// # Time
//
// recorded_at is when the ledger learned of something: the clock read after the locks, never earlier than the last entry
// of an account that is touched. effective_at is when it counts in reports and rules. Guards use recorded time only.
// A lot is expired when expires_at <= now.
package ledger
