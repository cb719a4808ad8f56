//go:build !torture && !race

package benefits_test

// modelOpsByDefault is how many operations the model of the benefits makes in make test.
const modelOpsByDefault = 100_000
