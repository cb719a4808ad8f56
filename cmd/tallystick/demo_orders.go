package main

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // the excerpt and the programme
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

//go:embed demo/orders.csv
var excerpt []byte

//go:embed demo/programme.yaml
var demonstration []byte

// order is one row of the orders file.
type order struct {
	No, Member string
	Points     decimal.Decimal // one for each whole dollar
}

// orderDay is the orders of one day, in the file's order.
type orderDay struct {
	Date   string // 1997-01-31
	Orders []order
}

var orderColumns = []string{"order_no", "member_ref", "occurred_on", "quantity", "amount_usd"}

// What the API takes: an order is checked whole before the first is played. Its number also ends the longest of the
// idempotency keys and is a reference, its member has the form of a member id, its whole dollars are an amount.
var (
	orderNo   = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,100}$`)
	memberRef = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	plain     = regexp.MustCompile(`^[0-9]{1,13}(\.[0-9]{1,9})?$`)
	mostUSD   = decimal.New(1, 12)
)

// readOrders reads a file of orders in order of date: comma-separated, with or without quotes, in UTF-8 with or without
// a byte order mark, lines ended in either way. The error says where in the file it is, by line and column.
func readOrders(file io.Reader) ([]orderDay, error) {
	in := bufio.NewReader(file)
	if mark, _ := in.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = in.Discard(len(byteOrderMark)) // it was read already
	}
	rows := csv.NewReader(in)
	rows.FieldsPerRecord = -1 // said more plainly below
	rows.ReuseRecord = true
	head, err := rows.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("orders: the file is empty")
	case err != nil:
		return nil, fmt.Errorf("orders: %w", err)
	case !slices.Equal(head, orderColumns):
		return nil, fmt.Errorf("orders: line 1: the columns are %q, want %q", head, orderColumns)
	}
	list := orderList{seen: make(map[string]int)}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("orders: %w", err)
		}
		line, _ := rows.FieldPos(0)
		if len(row) != len(orderColumns) {
			return nil, fmt.Errorf("orders: line %d: %d columns, want %d", line, len(row), len(orderColumns))
		}
		if column, problem := list.add(row, line); problem != "" {
			line, at := rows.FieldPos(column)
			return nil, fmt.Errorf("orders: line %d, column %d: %s %q %s", line, at, orderColumns[column], row[column], problem)
		}
	}
	if len(list.days) == 0 {
		return nil, errors.New("orders: the file has none")
	}
	return list.days, nil
}

const byteOrderMark = "\uFEFF"

type orderList struct {
	days []orderDay
	seen map[string]int // the line of each order
}

// add checks a row and adds it. If it cannot be played, it says in which column and why.
func (l *orderList) add(row []string, line int) (column int, problem string) {
	amount, err := decimal.NewFromString(row[4])
	day, dateErr := time.Parse(time.DateOnly, row[2])
	last := len(l.days) - 1
	switch {
	case !orderNo.MatchString(row[0]):
		return 0, "is not 1 to 100 letters, digits, _ . : and -"
	case l.seen[row[0]] > 0:
		return 0, fmt.Sprintf("is also in line %d", l.seen[row[0]])
	case !memberRef.MatchString(row[1]):
		return 1, "is not 1 to 64 letters, digits, _ . and -"
	case dateErr != nil || day.Year() < 1971 || day.Year() > 2199:
		return 2, "is not a date such as 1997-01-31, from 1971 to 2199"
	case last >= 0 && l.days[last].Date > row[2]:
		return 2, "comes after " + l.days[last].Date
	case !plain.MatchString(row[3]):
		return 3, "is not a number"
	case !plain.MatchString(row[4]) || err != nil || amount.GreaterThan(mostUSD):
		return 4, "is not an amount such as 19.99, up to " + mostUSD.String()
	}
	if last < 0 || l.days[last].Date < row[2] {
		l.days = append(l.days, orderDay{Date: strings.Clone(row[2])})
		last++
	}
	o := order{No: strings.Clone(row[0]), Member: strings.Clone(row[1]), Points: amount.Floor()}
	l.seen[o.No] = line
	l.days[last].Orders = append(l.days[last].Orders, o)
	return 0, ""
}

// demoDocument is the demonstration programme under a name of its own for these orders and this way to play them. So a
// database can hold the books of several files, and each is played once however often it is started.
func demoDocument(orders []byte, redemptions bool) []byte {
	sum := sha256.Sum256(orders)
	name := "demo-" + hex.EncodeToString(sum[:4])
	if !redemptions {
		name += "-accruals"
	}
	return []byte(strings.Replace(string(demonstration), "programme: demonstration\n", "programme: "+name+"\n", 1))
}
