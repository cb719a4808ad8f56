package benefits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
)

// systemClient names the requests that the catalog makes itself. Credentials cannot carry a name that begins with it.
const systemClient = ledger.SystemClient

// Applied is what an application of a document did, or would do.
type Applied struct {
	*ledger.Applied
	// Changes make the document that was current into this one.
	Changes []document.Change
	// Publishes is the stock that was published now.
	Publishes []Publication
}

// Publication is an amount of rights that goes into a benefit's stock, once, under a name.
type Publication struct {
	Benefit string          `json:"benefit"`
	Name    string          `json:"name"`
	Tier    string          `json:"tier,omitempty"` // that it is kept for; empty: for everybody
	Amount  decimal.Decimal `json:"amount"`
}

// ApplyProgramme checks every section of a programme's document, makes it the current version and publishes the stock
// that it declares, in one database transaction: all of it, or nothing. A publication is posted once, under its benefit and
// name; to add to a stock, name another. The same document again changes nothing. With a.Preview nothing is written.
//
// A document with mistakes is refused with a *document.InvalidError, one that changes the amount of what was published
// included. What else is answered says ledger.ApplyProgramme; a.Posts are the catalog's to fill.
func (c *Catalog) ApplyProgramme(ctx context.Context, a ledger.Application) (*Applied, error) {
	s, err := readAll(a.Document)
	if err != nil {
		return nil, err
	}
	list := s.publications()
	a.Posts = make([]ledger.Request, len(list))
	for i, u := range list {
		a.Posts[i] = u.request()
	}
	applied, err := c.ledger.ApplyProgramme(ctx, a)
	if refused, is := errors.AsType[*ledger.PostError](err); is {
		return nil, list[refused.Post].refused(a.Document, refused.Err)
	}
	if err != nil {
		return nil, err
	}
	done := &Applied{
		Applied: applied, Changes: document.Difference(document.Read(applied.Before), document.Read(a.Document)), Publishes: []Publication{},
	}
	for i, u := range list {
		if applied.Posted[i] != nil {
			done.Publishes = append(done.Publishes, Publication{Benefit: u.benefit, Name: u.name, Tier: u.tier, Amount: u.amount})
		}
	}
	return done, nil
}

// readAll reads every section of a document, and returns all of its mistakes together.
func readAll(text []byte) (*section, error) {
	doc := document.Read(text)
	p := ledger.ReadProgramme(doc, 0)
	s := read(doc, p)
	return s, doc.Err()
}

// publication is an amount that a document puts into a benefit's stock.
type publication struct {
	benefit, name string
	tier          string // or segment that it is kept for, as in the stock's account; empty for none
	amount        decimal.Decimal
}

// publications lists what a document publishes, by benefit and name.
func (s *section) publications() []publication {
	var list []publication
	for _, code := range s.codes {
		b := s.benefits[code]
		for _, name := range slices.Sorted(maps.Keys(b.Stock)) {
			list = append(list, publication{code, name, "", b.Stock[name]})
		}
		for _, tier := range slices.Sorted(maps.Keys(b.Kept)) {
			for _, name := range slices.Sorted(maps.Keys(b.Kept[tier])) {
				list = append(list, publication{code, name, tier, b.Kept[tier][name]})
			}
		}
		for _, segment := range slices.Sorted(maps.Keys(b.KeptFor)) {
			for _, name := range slices.Sorted(maps.Keys(b.KeptFor[segment])) {
				list = append(list, publication{code, name, segmentStock(code, segment).Period, b.KeptFor[segment][name]})
			}
		}
	}
	return list
}

// key is under which a publication is posted, once.
func (u publication) key() string {
	if u.tier != "" {
		return "kept/" + u.benefit + "|" + u.tier + "|" + u.name // no code has a |
	}
	return "stock/" + u.benefit + "/" + u.name
}

// request posts the publication, whoever applies the document.
func (u publication) request() ledger.Request {
	r := ledger.Request{Client: systemClient, Key: u.key(), Actor: systemClient, Rule: "benefit/" + u.benefit}
	return ledger.PublishInto(ledger.StockOf(u.benefit, u.tier), u.amount, r).Own()
}

// refused says why a publication cannot be posted; that it was, with another amount, is a mistake of the document.
func (u publication) refused(text []byte, err error) error {
	if !errors.Is(err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}) {
		return fmt.Errorf("benefits: benefit %s: publish stock %s: %w", u.benefit, u.name, err)
	}
	doc := document.Read(text)
	at := doc.At("benefits", u.benefit, "stock", u.name)
	if segment, kept := strings.CutPrefix(u.tier, ofSegment); kept {
		at = doc.At("benefits", u.benefit, "kept_for", segment, u.name)
	} else if u.tier != "" {
		at = doc.At("benefits", u.benefit, "kept", u.tier, u.name)
	}
	at.Wrong("it was published with another amount", "leave it as it was, and name a new publication for more")
	return doc.Err()
}
