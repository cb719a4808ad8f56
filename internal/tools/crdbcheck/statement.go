package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
	_ "github.com/cockroachdb/cockroachdb-parser/pkg/sql/plpgsql/parser" // without it a DO block panics
)

// rule is what must not stand in a statement, and why.
type rule struct {
	pattern *regexp.Regexp
	what    string
}

func deny(pattern, what string) rule { return rule{regexp.MustCompile(`(?i)` + pattern), what} }

var denied = []rule{
	deny(`\b(select|returning)\s+(distinct\s+)?\*`, "SELECT *: a new column breaks prepared statements; list the columns"),
	deny(`\b\w+\.\*`, "t.*: a new column breaks prepared statements; list the columns"),
	deny(`\b(small|big)?serial\b|\bidentity\b|\bsequence\b|\bnextval\b`, "sequences are hot rows on CockroachDB, and number differently"),
	deny(`\bint\b|\binteger\b|\bbigint\b|\bsmallint\b`, "INT has 64 bits on CockroachDB and 32 on PostgreSQL: say INT8, INT4 or INT2"),
	deny(`\bfloat[48]?\b|\breal\b|\bdouble\s+precision\b|\bmoney\b`, "amounts are DECIMAL"),
	deny(`\bvarchar\b|\bchar\s*\(|\bstring\b|\bcitext\b`, "text is TEXT"),
	deny(`\btimestamp\b|\btimetz\b`, "times are TIMESTAMPTZ"),
	deny(`\benum\b|\bcreate\s+(type|domain)\b`, "types of our own change differently on the two: TEXT and a CHECK"),
	deny(`\bpg_(try_)?advisory\w*`, "advisory locks do nothing on CockroachDB"),
	deny(`\b(un)?listen\b|\bnotify\b`, "CockroachDB has no LISTEN"),
	deny(`\bdeferrable\b|\bset\s+constraints\b|\bexclude\s+using\b`, "CockroachDB checks constraints at once"),
	deny(`\btrigger\b|\bcreate\s+(or\s+replace\s+)?(function|procedure)\b|^\s*do\s`, "logic is in Go"),
	deny(`\bskip\s+locked\b`, "work is claimed by a lease"),
	deny(`\btemp(orary)?\s+table\b|\bunlogged\b`, "work tables are ordinary tables"),
	deny(`\bupsert\b|\bmerge\s+into\b|\busing\s+hash\b|\bstoring\b|\bas\s+of\s+system\s+time\b|\bnulls\s+not\s+distinct\b`, "only one of the two databases knows this"),
	deny(`\bon\s+conflict\s+(do|on)\b`, "ON CONFLICT names its columns"),
	deny(`\bilike\b|\bcollate\b`, "the two collate differently"),
	deny(`\boffset\b`, "pages go by key"),
	deny(`\btxid_current\b|\bxmin\b|\bctid\b`, "differs on the two, or between attempts"),
	deny(`\buuid_generate_\w+|\buuidv7\b`, "UUIDs are made in Go: random, or derived"),
	deny(`/`, "int / int truncates on PostgreSQL alone: divide in Go"),
	deny(`\b(unnest|any|all)\s*\(\s*\$\d+\s*[,)]|\bunnest\s*\([^()]*\$\d+\s*[,)]`, "an array parameter carries its cast"),
	deny(`\bcreate\s+(unique\s+)?index\b[^;]*\)\s*where\b`, "partial indexes differ on the two"),
	deny(`\bcreate\s+(unique\s+)?index\b[^;(]*\(\s*(\w*_at|\w*_until|\w*time)\b`, "an index that begins with a time is one hot range on CockroachDB"),
	deny(`\balter\s+default\s+privileges\b|\brow\s+level\s+security\b`, "differs on the two"),
}

// checkStatement says what is wrong with one statement.
func checkStatement(sql string) []string {
	statements, err := parser.Parse(sql)
	if err != nil {
		return []string{fmt.Sprintf("CockroachDB: %s", firstLine(err.Error()))}
	}
	if len(statements) != 1 {
		return []string{fmt.Sprintf("%d statements: one at a time", len(statements))}
	}
	var found []string
	code := blank(sql)
	for _, r := range denied {
		if match := r.pattern.FindString(code); match != "" {
			found = append(found, fmt.Sprintf("%s (%s)", r.what, strings.Join(strings.Fields(match), " ")))
		}
	}
	if alias := bareAlias(code); alias != "" {
		found = append(found, fmt.Sprintf("the alias %s without AS", alias))
	}
	if table := writtenTwice(code); table != "" {
		found = append(found, fmt.Sprintf("two writes to %s in one statement", table))
	}
	return found
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

var silent = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'`)

// blank replaces comments and texts, in which anything may stand.
func blank(sql string) string {
	return silent.ReplaceAllStringFunc(sql, func(s string) string {
		if strings.HasPrefix(s, "'") {
			return "''"
		}
		return " "
	})
}

var (
	afterTable = regexp.MustCompile(`(?i)\b(?:from|join|update|into)\s+([a-z_][\w.]*)\s+([a-z_]\w*)`)
	afterParen = regexp.MustCompile(`(\))\s+([A-Za-z_]\w*)`)
	// words may follow a table or a bracket without being an alias.
	words = strings.Fields(`add all and any as asc between by check constraint cross default delete desc distinct do else end
		except filter for foreign from full grant group having if in inner insert intersect into is join left like limit natural
		not null nulls on or order outer over primary references returning right select set then to union unique update using
		values when where window with`)
)

// bareAlias finds an alias that stands without its AS behind a table, a call or a subquery.
func bareAlias(code string) string {
	for _, pattern := range []*regexp.Regexp{afterTable, afterParen} {
		for _, m := range pattern.FindAllStringSubmatch(code, -1) {
			before, alias := strings.ToLower(m[1]), strings.ToLower(m[2])
			if !slices.Contains(words, before) && !slices.Contains(words, alias) { // DO UPDATE SET n is no table
				return m[2]
			}
		}
	}
	return ""
}

var write = regexp.MustCompile(`(?i)\b(insert\s+into|delete\s+from|(?:do|for)\s+update|update)\s+([a-z_]\w*)`)

// writtenTwice finds a table that one statement writes to in two places, of which CockroachDB may lose one.
func writtenTwice(code string) string {
	seen := map[string]bool{}
	for _, m := range write.FindAllStringSubmatch(code, -1) {
		verb, table := strings.ToLower(m[1]), strings.ToLower(m[2])
		if strings.HasPrefix(verb, "do") || strings.HasPrefix(verb, "for") {
			continue
		}
		if seen[table] {
			return table
		}
		seen[table] = true
	}
	return ""
}
