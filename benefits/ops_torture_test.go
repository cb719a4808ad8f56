//go:build torture

package benefits_test

// modelOpsByDefault is how many operations the model of the benefits makes in make torture.
const modelOpsByDefault = 300_000
