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
// Where a benefit has several prices or stocks, the claim carries every way to have it, in an order that the document gives,
// and becomes the first that the books allow at the posting. What is not in the books, such as facts and opening hours, is
// decided before, and a refusal by it is recorded like any other.
//
// Some rights are brought by a partner, and a delivery stands where its right is: in the voucher, used by who ships it, or back. A
// bundle is a claim for each of its rights, of which the first is paid for, posted all or none.
//
// A tier is a unit that a member holds: the lot says by what source and until when, and a change of it is one transaction that
// a pure function decided on what was measured, said and held. An allotment gives the members of a tier so many
// uses in a period: a chain of postings that comes to the total of the highest tier held, whoever looks and however often.
//
// Members are the programme's own references. What is known of them besides the books are [Facts], kept in versions beside
// the journal; whoever was never enrolled is a person without any, and may still accrue.
package benefits
