package benefits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"tallystick/ledger"
	"tallystick/partners"
)

// systemClient names the requests that the catalog makes itself. Credentials cannot carry a name that begins with it.
const systemClient = "tallystick"

// ApplyProgramme checks every section of a programme's document, makes it the current version and publishes the stock
// that it declares. A publication is posted once, under its benefit and name; to add to a stock, name another. Applying
// the same document again changes nothing, so what was killed half-way is finished by doing it again.
func (c *Catalog) ApplyProgramme(ctx context.Context, document []byte) (*ledger.Programme, error) {
	p, err := ledger.ParseProgramme(document, 0)
	if err != nil {
		return nil, err
	}
	s, err := parse(p)
	if err != nil {
		return nil, err
	}
	if _, err := partners.Parse(p); err != nil {
		return nil, err
	}
	if p, err = c.ledger.ApplyProgramme(ctx, document); err != nil {
		return nil, err
	}
	for _, code := range slices.Sorted(maps.Keys(s.benefits)) {
		if err := c.publish(ctx, p, s.benefits[code]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (c *Catalog) publish(ctx context.Context, p *ledger.Programme, b *Benefit) error {
	for _, name := range slices.Sorted(maps.Keys(b.Stock)) {
		key := "stock/" + b.Code + "/" + name
		r := ledger.Request{Client: systemClient, Key: key, Actor: systemClient, Rule: "benefit/" + b.Code}
		_, err := c.ledger.Post(ctx, p.ID, ledger.Publish(b.Code, b.Stock[name], r).Own())
		if errors.Is(err, &ledger.Refusal{Reason: ledger.IdempotencyKeyReused}) {
			return fmt.Errorf("benefits: benefit %s: stock %s was published with another amount: name a new publication instead", b.Code, name)
		}
		if err != nil {
			return fmt.Errorf("benefits: benefit %s: publish stock %s: %w", b.Code, name, err)
		}
	}
	return nil
}
