//go:build race && !torture

package benefits_test

// modelOpsByDefault is how many operations the model of the benefits makes under the race detector, which is slow.
const modelOpsByDefault = 4_000
