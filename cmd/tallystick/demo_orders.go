package main

import (
	"crypto/sha256"
	_ "embed" // the excerpt and the programme
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// readOrders reads a file of orders in order of date.
func readOrders(r io.Reader) ([]orderDay, error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = len(orderColumns)
	rows.ReuseRecord = true
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	if strings.Join(head, ",") != strings.Join(orderColumns, ",") {
		return nil, fmt.Errorf("orders: the columns are %s, want %s", strings.Join(head, ","), strings.Join(orderColumns, ","))
	}
	var days []orderDay
	seen := make(map[string]bool)
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("orders: %w", err)
		}
		line, _ := rows.FieldPos(0)
		o, date, err := parseOrder(row)
		switch {
		case err != nil:
			return nil, fmt.Errorf("orders: line %d: %w", line, err)
		case seen[o.No]:
			return nil, fmt.Errorf("orders: line %d: order_no %s occurs twice", line, o.No)
		case len(days) == 0 || days[len(days)-1].Date < date:
			days = append(days, orderDay{Date: date})
		case days[len(days)-1].Date > date:
			return nil, fmt.Errorf("orders: line %d: %s comes after a later day", line, date)
		}
		seen[o.No] = true
		last := &days[len(days)-1]
		last.Orders = append(last.Orders, o)
	}
	if len(days) == 0 {
		return nil, errors.New("orders: the file has none")
	}
	return days, nil
}

func parseOrder(row []string) (o order, date string, err error) {
	amount, err := decimal.NewFromString(row[4])
	if err != nil || amount.IsNegative() {
		return o, "", fmt.Errorf("amount_usd %q is not an amount", row[4])
	}
	if _, err := time.Parse(time.DateOnly, row[2]); err != nil {
		return o, "", fmt.Errorf("occurred_on %q is not a date", row[2])
	}
	if row[0] == "" || row[1] == "" {
		return o, "", errors.New("order_no or member_ref is empty")
	}
	return order{No: strings.Clone(row[0]), Member: strings.Clone(row[1]), Points: amount.Floor()}, strings.Clone(row[2]), nil
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
