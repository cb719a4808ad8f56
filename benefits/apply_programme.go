package benefits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/internal/document"
	"tallystick/ledger"
)

// systemClient names the requests that the catalog makes itself. Credentials cannot carry a name that begins with it.
const systemClient = "tallystick"

// ApplyProgramme checks every section of a programme's document, makes it the current version and publishes the stock
// that it declares. A publication is posted once, under its benefit and name; to add to a stock, name another.
//
// A document that cannot be applied whole is refused before anything is written, one that changes the amount of what was
// published included. After that there are two steps, the version and then the publications. When an error comes between
// them (the database is gone, or somebody applies another document at the same moment), the version is current and some
// of its stock is missing: applying the same document again publishes the rest, and changes nothing when nothing is missing.
func (c *Catalog) ApplyProgramme(ctx context.Context, text []byte) (*ledger.Programme, error) {
	p, s, err := readAll(text)
	if err != nil {
		return nil, err
	}
	list := s.publications()
	if _, err := c.unpublished(ctx, p, list); err != nil {
		return nil, err
	}
	if p, err = c.ledger.ApplyProgramme(ctx, text); err != nil {
		return nil, err
	}
	for _, publication := range list {
		if err := c.publish(ctx, p, publication); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Preview is what applying a document would do.
type Preview struct {
	Programme string `json:"programme"`
	// Version is the one that the document would be; the current one when nothing is new.
	Version int64 `json:"version"`
	// Changes make the current document into this one.
	Changes []document.Change `json:"changes"`
	// Publishes is the stock that would be published.
	Publishes []Publication `json:"publishes"`
}

// Publication is an amount of rights that goes into a benefit's stock, once, under a name.
type Publication struct {
	Benefit string          `json:"benefit"`
	Name    string          `json:"name"`
	Amount  decimal.Decimal `json:"amount"`
}

// PreviewProgramme checks a document as ApplyProgramme does, and says what that would do. It writes nothing.
func (c *Catalog) PreviewProgramme(ctx context.Context, text []byte) (*Preview, error) {
	_, s, err := readAll(text)
	if err != nil {
		return nil, err
	}
	p, current, err := c.ledger.PreviewProgramme(ctx, text)
	if err != nil {
		return nil, err
	}
	list, err := c.unpublished(ctx, p, s.publications())
	if err != nil {
		return nil, err
	}
	preview := &Preview{
		Programme: p.Name, Version: p.Version, Publishes: make([]Publication, len(list)),
		Changes: document.Difference(document.Read(current), document.Read(text)),
	}
	for i, u := range list {
		preview.Publishes[i] = Publication{Benefit: u.benefit, Name: u.name, Amount: u.amount}
	}
	return preview, nil
}

// readAll reads every section of a document, and returns all of its mistakes together.
func readAll(text []byte) (*ledger.Programme, *section, error) {
	doc := document.Read(text)
	p := ledger.ReadProgramme(doc, 0)
	s := read(doc, p)
	return p, s, doc.Err()
}

// publication is an amount that a document puts into a benefit's stock.
type publication struct {
	benefit, name string
	tier          string // that it is kept for; empty for none
	amount        decimal.Decimal
}

// publications lists what a document publishes, by benefit and name.
func (s *section) publications() []publication {
	var list []publication
	for _, code := range slices.Sorted(maps.Keys(s.benefits)) {
		b := s.benefits[code]
		for _, name := range slices.Sorted(maps.Keys(b.Stock)) {
			list = append(list, publication{code, name, "", b.Stock[name]})
		}
		for _, tier := range slices.Sorted(maps.Keys(b.Kept)) {
			for _, name := range slices.Sorted(maps.Keys(b.Kept[tier])) {
				list = append(list, publication{code, name, tier, b.Kept[tier][name]})
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

// changed is the mistake of a document that gives a publication another amount than it had.
func (u publication) changed(p *ledger.Programme) error {
	doc := document.Read(p.Document)
	doc.At("benefits", u.benefit, "stock", u.name).Wrong("it was published with another amount",
		"leave it as it was, and name a new publication for more")
	return doc.Err()
}

// unpublished lists what of it was not published yet, and refuses another amount for what was.
func (c *Catalog) unpublished(ctx context.Context, p *ledger.Programme, list []publication) ([]publication, error) {
	ids := make([]uuid.UUID, len(list))
	for i, publication := range list {
		ids[i] = ledger.TransactionID(p.ID, systemClient, publication.key())
	}
	published, err := c.ledger.Transactions(ctx, p.ID, ids)
	if err != nil {
		return nil, fmt.Errorf("benefits: read what was published: %w", err)
	}
	var rest []publication
	for i, publication := range list {
		switch t := published[ids[i]]; {
		case t == nil:
			rest = append(rest, publication)
		case !t.Amount.Equal(publication.amount):
			return nil, publication.changed(p)
		}
	}
	return rest, nil
}

func (c *Catalog) publish(ctx context.Context, p *ledger.Programme, u publication) error {
	r := ledger.Request{Client: systemClient, Key: u.key(), Actor: systemClient, Rule: "benefit/" + u.benefit}
	_, err := c.ledger.Post(ctx, p.ID, ledger.PublishInto(ledger.StockOf(u.benefit, u.tier), u.amount, r).Own())
	switch {
	case errors.Is(err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}):
		return u.changed(p)
	case err != nil:
		return fmt.Errorf("benefits: benefit %s: publish stock %s: %w", u.benefit, u.name, err)
	default:
		return nil
	}
}
