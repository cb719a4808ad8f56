package benefits

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"tallystick/ledger"
)

// MemberKind is what a member is. It never changes.
type MemberKind string

// The kinds of member.
const (
	Person       MemberKind = "person"
	Household    MemberKind = "household"
	Organisation MemberKind = "organisation"
)

// Values are the words that a document may use.
func (MemberKind) Values() []string {
	return []string{string(Person), string(Household), string(Organisation)}
}

// MemberStatus says what a member may do. It is derived from the journal, and stored nowhere.
type MemberStatus string

// The statuses.
const (
	MemberActive     MemberStatus = "active"
	MemberSuspended  MemberStatus = "suspended"  // nothing leaves: the member is frozen
	MemberTerminated MemberStatus = "terminated" // what there was is forfeited, and nothing comes any more
)

// Facts are what a programme knows of a member besides the books. Of a birthday it is the month and the day alone.
// Somebody who was never enrolled is a person without any, and may still accrue: EnrolledAt is zero then.
type Facts struct {
	Kind       MemberKind
	Status     MemberStatus
	Plan       string
	Region     string
	Segments   []string // in order
	Language   string   // "en" or "zh-Hans", empty when nobody said
	EnrolledAt time.Time
	BirthMonth time.Month // 0 when nobody said
	BirthDay   int
	// Attributes are those that the programme's document declares: a decimal.Decimal, a string or a bool each.
	Attributes map[string]any
	// Numbers are what else the member is known by, such as the subscriptions of a person; in order.
	Numbers []string
	// Organisations and Households are what the member belongs to, now, once or from a later day on: see [Membership.At].
	Organisations []Membership
	Households    []Membership
}

// Membership says that a person belongs to an organisation or a household.
type Membership struct {
	Of    string    `json:"of"`
	Role  string    `json:"role,omitempty"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"` // exclusive; ledger.Never if it is open
}

// At reports whether the membership holds at a time.
func (m Membership) At(t time.Time) bool { return !t.Before(m.From) && t.Before(m.Until) }

// Member is an enrolled member: the programme's own reference, and what is known of it in one version.
type Member struct {
	Ref       string
	Version   int64 // counts changes from 1
	ChangedAt time.Time
	Facts
}

const sqlReadFacts = `
SELECT u.member, coalesce(m.version, 0), m.changed_at, m.kind, m.plan, m.region, m.segments, m.language, m.enrolled_at,
       m.birth_month, m.birth_day, m.attributes, m.numbers, m.organisations, m.households, t.kind
FROM unnest($2::text[]) AS u (member)
LEFT JOIN members AS m ON m.programme_id = $1 AND m.member = u.member
LEFT JOIN freezes AS f ON f.programme_id = $1 AND f.member = u.member
LEFT JOIN transactions AS t ON t.id = f.transaction_id`

// Facts reads what is known of members, by reference. Every one that is asked for is in the answer, enrolled or not.
func (c *Catalog) Facts(ctx context.Context, programme uuid.UUID, members []string) (map[string]Facts, error) {
	list, err := readMembers(ctx, c.pool, programme, members)
	if err != nil {
		return nil, err
	}
	facts := make(map[string]Facts, len(list))
	for _, m := range list {
		facts[m.Ref] = m.Facts
	}
	return facts, nil
}

// queryer is a pool or a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readMembers reads each member; one who was never enrolled has version 0.
func readMembers(ctx context.Context, q queryer, programme uuid.UUID, members []string) ([]Member, error) {
	rows, err := q.Query(ctx, sqlReadFacts, programme, members)
	if err != nil {
		return nil, fmt.Errorf("benefits: read members: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanMember)
	if err != nil {
		return nil, fmt.Errorf("benefits: read members: %w", err)
	}
	return list, nil
}

func scanMember(row pgx.CollectableRow) (Member, error) {
	var m Member
	var changedAt, enrolledAt *time.Time
	var kind, plan, region, language, attributes, organisations, households, frozenBy *string
	var month, day *int16
	err := row.Scan(&m.Ref, &m.Version, &changedAt, &kind, &plan, &region, &m.Segments, &language, &enrolledAt,
		&month, &day, &attributes, &m.Numbers, &organisations, &households, &frozenBy)
	if err != nil {
		return m, err
	}
	m.Kind, m.Status = Person, statusOf(frozenBy)
	if m.Version == 0 {
		return m, nil
	}
	m.ChangedAt, m.EnrolledAt = changedAt.UTC(), enrolledAt.UTC()
	m.Kind, m.Plan, m.Region, m.Language = MemberKind(*kind), *plan, *region, *language
	m.BirthMonth, m.BirthDay = time.Month(*month), int(*day)
	return m, m.decode(*attributes, *organisations, *households)
}

// decode reads the facts that are stored as text.
func (m *Member) decode(attributes, organisations, households string) error {
	var err error
	m.Attributes, err = decodeAttributes(attributes)
	err = errors.Join(err,
		json.Unmarshal([]byte(organisations), &m.Organisations), json.Unmarshal([]byte(households), &m.Households))
	m.Segments, m.Numbers = orNil(m.Segments), orNil(m.Numbers)
	m.Organisations, m.Households = orNil(m.Organisations), orNil(m.Households)
	return err
}

// orNil makes an empty list none, so that what is read equals what was written.
func orNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// statusOf is what the transaction that stands in a member's way makes of the member.
func statusOf(frozenBy *string) MemberStatus {
	switch {
	case frozenBy == nil:
		return MemberActive
	case *frozenBy == string(ledger.KindForfeiture):
		return MemberTerminated
	default:
		return MemberSuspended
	}
}

// attribute is how the value of an attribute is stored.
type attribute struct {
	Number *decimal.Decimal `json:"number,omitempty"`
	Text   *string          `json:"text,omitempty"`
	Flag   *bool            `json:"flag,omitempty"`
}

func encodeAttributes(values map[string]any) string {
	stored := make(map[string]attribute, len(values))
	for code, value := range values {
		switch v := value.(type) {
		case decimal.Decimal:
			stored[code] = attribute{Number: &v}
		case string:
			stored[code] = attribute{Text: &v}
		case bool:
			stored[code] = attribute{Flag: &v}
		}
	}
	return encode(stored)
}

func decodeAttributes(text string) (map[string]any, error) {
	var stored map[string]attribute
	if err := json.Unmarshal([]byte(text), &stored); err != nil {
		return nil, fmt.Errorf("attributes: %w", err)
	}
	values := make(map[string]any, len(stored))
	for code, a := range stored {
		switch {
		case a.Number != nil:
			values[code] = *a.Number
		case a.Text != nil:
			values[code] = *a.Text
		case a.Flag != nil:
			values[code] = *a.Flag
		}
	}
	return values, nil
}

// encode is the one form in which we keep what we made: keys in order, no spaces.
func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("benefits: encode: %v", err)) // a type of ours that cannot be written is a bug
	}
	return string(data)
}

// attributes gives every declared attribute a value for expressions, the type's own nothing where the member has none.
func (f *Facts) attributes(declared map[string]Attribute) map[string]any {
	values := make(map[string]any, len(declared))
	for code, a := range declared {
		switch value := f.Attributes[code].(type) {
		case decimal.Decimal:
			values[code] = number{value}
		case nil:
			values[code] = map[AttributeType]any{TextAttribute: "", NumberAttribute: number{}, FlagAttribute: false}[a.Type]
		default:
			values[code] = value
		}
	}
	return values
}

// term is a fact that members are found by.
type term struct{ field, value string }

// The fields of terms. A number is one member's alone.
const (
	termKind    = "kind"
	termPlan    = "plan"
	termRegion  = "region"
	termSegment = "segment"
	termNumber  = "number"
	termOf      = "of" // an organisation or a household
)

// terms lists what a member can be found by, each once, in order.
func (m *Member) terms() []term {
	set := make(map[term]bool)
	if m.Version > 0 {
		set[term{termKind, string(m.Kind)}] = true
	}
	set[term{termPlan, m.Plan}] = true
	set[term{termRegion, m.Region}] = true
	for field, values := range map[string][]string{termSegment: m.Segments, termNumber: m.Numbers} {
		for _, value := range values {
			set[term{field, value}] = true
		}
	}
	for _, link := range slices.Concat(m.Organisations, m.Households) {
		set[term{termOf, link.Of}] = true
	}
	maps.DeleteFunc(set, func(t term, _ bool) bool { return t.value == "" })
	return slices.SortedFunc(maps.Keys(set), compareTerms)
}
