//go:build torture

package ledger_test

// long is how much longer the proofs run than in `make test`.
const long = 25
