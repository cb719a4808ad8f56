//go:build !torture

package ledger_test

// long is how much longer the proofs run under `make torture`.
const long = 1
