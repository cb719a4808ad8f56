package rpc

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Check is something that has to be well for the server to be ready.
type Check struct {
	Name string
	// Run returns what is wrong, or nil. It is given a second.
	Run func(ctx context.Context) error
}

// live says that the process answers.
func live(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") }

// ready runs every check and says which failed, without why: the cause is in the log of what failed.
func ready(checks []Check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		status, report := http.StatusOK, ""
		for _, check := range checks {
			state := "ok"
			if err := check.Run(ctx); err != nil {
				status, state = http.StatusServiceUnavailable, "failing"
			}
			report += check.Name + ": " + state + "\n"
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, report)
	}
}
