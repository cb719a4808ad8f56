// Package outbox sends a programme's posted transactions to its webhook endpoints.
//
// There is no outbox table. Every batch of the journal is sealed, and the seals of a stripe number its posted
// transactions without a gap in the order of their commits: the seal chain is the outbox (docs/adr/0020). An event is
// built from the journal each time it is sent, always the same; nothing is lost, nothing has to be cleaned up, and a
// replay from any position works for ever.
//
// A delivery happens at least once. The webhook-id is the transaction's id, the same for every attempt, so a receiver
// that remembers ids handles every event once. Each event carries (account, seq) for every member account that it moved
// and an account's events are first sent in the order of seq; events that share no account are sent concurrently.
package outbox
