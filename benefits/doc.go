// Package benefits is what a programme gives its members: tiers, the allotments that come with them, and a catalog of
// benefits that points or allotments pay for.
//
// A benefit is a unit of the journal, and a right to it is one of that unit. Redeeming one is a single transaction:
//
//	price    wallet                 → redeemed        points, or uses of an allotment
//	right    stock (or issuance)    → voucher/<id>    issuance when there is no limit
//
// and cancelling it is that transaction's reversal. So a member cannot pay without getting the right, a stock cannot be
// oversold, and what was paid with what comes back as it was; none of it has a counter of its own.
//
// A tier follows from the points that a member accrued, by a pure function. Its allotments are granted once a calendar
// year, when the member has reached the tier.
//
// Members are the programme's own references. What is known of them besides the books are [Facts], kept in versions beside
// the journal; whoever was never enrolled is a person without any, and may still accrue.
package benefits
