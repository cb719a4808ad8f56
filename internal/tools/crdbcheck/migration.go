package main

import (
	"os"
	"regexp"
	"strings"
)

var notIdempotent = []rule{
	{regexp.MustCompile(`(?i)\bcreate\s+table\s+(if\s+not)?`), "CREATE TABLE without IF NOT EXISTS: a migration may run twice"},
	{regexp.MustCompile(`(?i)\bcreate\s+(unique\s+)?index\s+(concurrently\s+)?(if\s+not)?`), "CREATE INDEX without IF NOT EXISTS: a migration may run twice"},
	{regexp.MustCompile(`(?i)\badd\s+column\s+(if\s+not)?`), "ADD COLUMN without IF NOT EXISTS: a migration may run twice"},
	{regexp.MustCompile(`(?i)\bdrop\s+(table|index|column|constraint)\s+(if\s+exists)?`), "DROP without IF EXISTS: a migration may run twice"},
}

// checkMigration: one idempotent statement a file, outside a transaction, and no way down.
func checkMigration(path string) ([]finding, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []finding
	report := func(line int, what string) { found = append(found, finding{path, line, what}) }
	head, body, ok := strings.Cut(string(text), "-- +goose Up")
	if !ok {
		report(1, "no `-- +goose Up`")
		return found, nil
	}
	if !strings.Contains(head, "-- +goose NO TRANSACTION") {
		report(1, "no `-- +goose NO TRANSACTION` above `-- +goose Up`")
	}
	if strings.Contains(body, "-- +goose Down") {
		report(1, "migrations have no way down")
	}
	line := 1 + strings.Count(head, "\n")
	for _, what := range checkStatement(body) {
		report(line, what)
	}
	code := blank(body)
	for _, r := range notIdempotent {
		if match := r.pattern.FindString(code); match != "" && !strings.Contains(strings.ToLower(match), " if ") {
			report(line, r.what)
		}
	}
	return found, nil
}
