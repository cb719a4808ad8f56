// Package sheet reads the CSV files that people and other systems send: a header that names the columns, in any order,
// then a line each. A line that cannot be read is a fact about that line, and the rest is read all the same.
package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is why a line is not accepted: what stands in which column, and what is wrong with it.
type Problem struct {
	Column string // empty when it is the line as a whole
	Reason string
}

// Row is one line. Problem is set when it cannot be read.
type Row struct {
	Line    int // in the file; the header is 1, and a quoted cell may span lines
	Problem *Problem
	columns []string
	cells   []string
}

// Cell is what stands in a column, without blanks around it; empty when the file has no such column.
func (r *Row) Cell(column string) string {
	if i := slices.Index(r.columns, column); i >= 0 && i < len(r.cells) {
		return strings.TrimSpace(r.cells[i])
	}
	return ""
}

// Reader reads a sheet.
type Reader struct {
	csv     *csv.Reader
	columns []string
}

var byteOrderMark = []byte("\xef\xbb\xbf") // with which spreadsheets begin UTF-8

// NewReader reads the header. It answers an error that says what would be right when a required column is missing, one
// stands twice, or one is neither required nor optional.
func NewReader(r io.Reader, required, optional []string) (*Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if start, err := buffered.Peek(len(byteOrderMark)); err == nil && bytes.Equal(start, byteOrderMark) {
		if _, err := buffered.Discard(len(byteOrderMark)); err != nil {
			return nil, err
		}
	}
	s := &Reader{csv: csv.NewReader(buffered)}
	header, err := s.csv.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("the file is empty: its first line should name the columns %s", strings.Join(required, ", "))
	case err != nil:
		return nil, fmt.Errorf("the header: %w", err)
	}
	s.csv.ReuseRecord = true
	for _, name := range header {
		name = strings.TrimSpace(name)
		switch {
		case slices.Contains(s.columns, name):
			return nil, fmt.Errorf("line 1: column %q stands twice", name)
		case !slices.Contains(required, name) && !slices.Contains(optional, name):
			return nil, fmt.Errorf("line 1: column %q is not known: use %s", name, strings.Join(slices.Concat(required, optional), ", "))
		}
		s.columns = append(s.columns, name)
	}
	for _, name := range required {
		if !slices.Contains(s.columns, name) {
			return nil, fmt.Errorf("line 1: column %q is missing", name)
		}
	}
	return s, nil
}

// Next reads the next line, or io.EOF. Another error is the file's: it cannot be read on.
func (s *Reader) Next() (Row, error) {
	cells, err := s.csv.Read()
	row := Row{columns: s.columns}
	parse := new(csv.ParseError)
	switch {
	case errors.As(err, &parse):
		row.Line, row.Problem = parse.StartLine, &Problem{Reason: parse.Err.Error()}
		return row, nil
	case err != nil:
		return row, err
	}
	row.Line, _ = s.csv.FieldPos(0)
	row.cells = slices.Clone(cells)
	for i, cell := range row.cells {
		if !utf8.ValidString(cell) || strings.ContainsRune(cell, 0) {
			row.Problem = &Problem{Column: s.columns[i], Reason: "it is not UTF-8 text"}
			break
		}
	}
	return row, nil
}
