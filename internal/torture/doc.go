// Package torture holds the proofs that need whole processes: servers and databases that are killed while clients work.
// `make test` runs a short form of them, `make torture` the long one.
package torture
