package benefits_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

const membersSection = `
members:
  plans:
    - {code: plan-199, names: {en: Plan 199, zh-Hans: 199套餐}}
    - {code: plan-599, names: {en: Plan 599, zh-Hans: 599套餐}}
  segments:
    - {code: government, names: {en: Government, zh-Hans: 政企}}
    - {code: frequent-flyer, names: {en: Frequent flyer, zh-Hans: 常旅客}}
  roles:
    - {code: contact, names: {en: Contact, zh-Hans: 联系人}}
  attributes:
    - {code: arpu, type: number, names: {en: ARPU, zh-Hans: 每用户收入}}
    - {code: title, type: text, names: {en: Title, zh-Hans: 职务}}
    - {code: paperless, type: flag, names: {en: Paperless, zh-Hans: 电子账单}}
  regions:
    - {code: guangzhou, level: city, in: guangdong, names: {en: Guangzhou, zh-Hans: 广州}}
    - {code: guangdong, level: province, in: china, names: {en: Guangdong, zh-Hans: 广东}}
    - {code: china, level: nation, names: {en: China, zh-Hans: 中国}}
`

// newRegistry is a club whose programme says what its members may be.
func newRegistry(t *testing.T) club {
	t.Helper()
	c := newClub(t)
	c.apply(t, document+membersSection)
	return c
}

func by(key string) ledger.Request {
	return ledger.Request{Client: "desk", Key: key, Actor: "li", Channel: "hall", Reason: "asked"}
}

func (c club) enrol(t *testing.T, member string, kind benefits.MemberKind) benefits.Member {
	t.Helper()
	m, err := c.EnrolMember(t.Context(), c.Programme, member, benefits.Facts{Kind: kind}, by("enrol-"+member), false)
	if err != nil {
		t.Fatalf("enrol %s: %v", member, err)
	}
	return m
}

func (c club) link(t *testing.T, key string, l benefits.Link) (benefits.Member, error) {
	t.Helper()
	return c.LinkMember(t.Context(), c.Programme, l, by(key), false)
}

func (c club) facts(t *testing.T, member string) benefits.Facts {
	t.Helper()
	facts, err := c.Facts(t.Context(), c.Programme, []string{member})
	if err != nil {
		t.Fatal(err)
	}
	return facts[member]
}

var march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func TestAnEnrolledMemberIsKnownByItsFacts(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	given := benefits.Facts{
		Kind: benefits.Person, Plan: "plan-199", Region: "guangzhou", Segments: []string{"government", "frequent-flyer"},
		Language: "zh-Hans", EnrolledAt: march.AddDate(-3, 0, 0), BirthMonth: time.February, BirthDay: 29,
		Attributes: map[string]any{"arpu": decimal.RequireFromString("188.5"), "title": "处长", "paperless": true},
	}
	first, err := c.EnrolMember(t.Context(), c.Programme, "ann", given, by("e1"), false)
	if err != nil {
		t.Fatal(err)
	}
	want := given
	want.Segments = []string{"frequent-flyer", "government"}
	if diff := cmp.Diff(benefits.Member{Ref: "ann", Version: 1, ChangedAt: march, Facts: want}, first); diff != "" {
		t.Errorf("enrolled (-want +got):\n%s", diff)
	}
	again, err := c.EnrolMember(t.Context(), c.Programme, "ann", given, by("e1"), false)
	if diff := cmp.Diff(first, again); err != nil || diff != "" {
		t.Errorf("retry: %v (-first +retry):\n%s", err, diff)
	}
	want.Status = benefits.MemberActive
	if diff := cmp.Diff(want, c.facts(t, "ann"), cmp.Comparer(decimal.Decimal.Equal)); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestWhoeverWasNeverEnrolledIsAnActivePersonAndMayAccrue(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	c.Accrue(t, "a1", "eve", "points", 5)
	if diff := cmp.Diff(benefits.Facts{Kind: benefits.Person, Status: benefits.MemberActive}, c.facts(t, "eve")); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	_, err := c.GetMember(t.Context(), c.Programme, "eve")
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestStatusFollowsFromTheJournal(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	c.enrol(t, "ann", benefits.Person)
	c.Post(t, ledger.Freeze("ann", by("f1")))
	if got := c.facts(t, "ann").Status; got != benefits.MemberSuspended {
		t.Errorf("frozen, %s", got)
	}
	c.Post(t, ledger.Unfreeze("ann", by("f2")))
	if got := c.facts(t, "ann").Status; got != benefits.MemberActive {
		t.Errorf("unfrozen, %s", got)
	}
	c.Post(t, ledger.Forfeit("ann", by("f3")))
	if got := c.facts(t, "ann").Status; got != benefits.MemberTerminated {
		t.Errorf("forfeited, %s", got)
	}
}

func TestFactsThatTheDocumentDoesNotDeclareAreRefused(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	c.apply(t, strings.Replace(document+membersSection, "members:", "members:\n  kinds: [person, organisation]", 1))
	for name, facts := range map[string]benefits.Facts{
		"kind":        {Kind: "robot"},
		"other kind":  {Kind: benefits.Household},
		"plan":        {Plan: "plan-1"},
		"region":      {Region: "atlantis"},
		"segment":     {Segments: []string{"government", "pirates"}},
		"language":    {Language: "fr"},
		"birthday":    {BirthMonth: time.February, BirthDay: 30},
		"half a day":  {BirthDay: 3},
		"month":       {BirthMonth: 13, BirthDay: 1},
		"future":      {EnrolledAt: march.AddDate(0, 0, 1)},
		"attribute":   {Attributes: map[string]any{"shoe-size": "43"}},
		"other type":  {Attributes: map[string]any{"arpu": "a lot"}},
		"long text":   {Attributes: map[string]any{"title": strings.Repeat("长", 257)}},
		"wide number": {Attributes: map[string]any{"arpu": decimal.New(1, 15)}},
		"fine number": {Attributes: map[string]any{"arpu": decimal.New(1, -10)}},
	} {
		if facts.Kind == "" {
			facts.Kind = benefits.Person
		}
		if _, err := c.EnrolMember(t.Context(), c.Programme, "ann", facts, by("e"), false); !errors.Is(err, &ledger.Refusal{Reason: ledger.InvalidField}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.enrol(t, "ann", benefits.Person) // a refusal took no key and left no member
}

func TestAnUpdateChangesWhatItNames(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	facts := benefits.Facts{Kind: benefits.Person, Plan: "plan-199", Region: "guangdong", Attributes: map[string]any{"title": "x", "paperless": true}}
	if _, err := c.EnrolMember(t.Context(), c.Programme, "ann", facts, by("e1"), false); err != nil {
		t.Fatal(err)
	}
	plan := "plan-599"
	update := benefits.MemberUpdate{
		Plan: &plan, Segments: &[]string{"government"}, Birthday: &benefits.Birthday{Month: time.May, Day: 4}, Version: 1,
		Attributes: map[string]any{"title": nil, "arpu": decimal.NewFromInt(7)},
	}
	preview, err := c.UpdateMember(t.Context(), c.Programme, "ann", update, by("u1"), true)
	if err != nil || preview.Version != 2 || c.facts(t, "ann").Plan != "plan-199" {
		t.Fatalf("preview: %+v, %v", preview, err)
	}
	second, err := c.UpdateMember(t.Context(), c.Programme, "ann", update, by("u1"), false)
	if err != nil {
		t.Fatal(err)
	}
	want := benefits.Member{Ref: "ann", Version: 2, ChangedAt: march, Facts: benefits.Facts{
		Kind: benefits.Person, Plan: plan, Region: "guangdong", Segments: []string{"government"}, EnrolledAt: march,
		BirthMonth: time.May, BirthDay: 4, Attributes: map[string]any{"paperless": true, "arpu": decimal.NewFromInt(7)},
	}}
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	region := "guangzhou"
	_, err = c.UpdateMember(t.Context(), c.Programme, "ann", benefits.MemberUpdate{Region: &region, Version: 1}, by("u2"), false)
	wantRefusal(t, err, ledger.MemberChanged)
	if _, err = c.UpdateMember(t.Context(), c.Programme, "ann", benefits.MemberUpdate{Region: &region, Version: 2}, by("u2"), false); err != nil {
		t.Fatal(err)
	}
	retried, err := c.UpdateMember(t.Context(), c.Programme, "ann", update, by("u1"), false)
	if diff := cmp.Diff(second, retried); err != nil || diff != "" {
		t.Errorf("retry: %v (-first +retry):\n%s", err, diff)
	}
	_, err = c.UpdateMember(t.Context(), c.Programme, "ann", benefits.MemberUpdate{Plan: &plan}, by("u1"), false)
	wantRefusal(t, err, ledger.IdempotencyKeyReused)
	history, err := c.MemberHistory(t.Context(), c.Programme, "ann", 4, 10)
	if err != nil || len(history) != 3 || history[0].Region != region || history[2].What != "enrol" || history[1].Actor != "li" {
		t.Errorf("history: %+v, %v", history, err)
	}
}

func TestAPlanThatTheDocumentDroppedStaysUntilItIsChanged(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	facts := benefits.Facts{Kind: benefits.Person, Plan: "plan-199"}
	if _, err := c.EnrolMember(t.Context(), c.Programme, "ann", facts, by("e1"), false); err != nil {
		t.Fatal(err)
	}
	c.apply(t, document)
	language := "en"
	m, err := c.UpdateMember(t.Context(), c.Programme, "ann", benefits.MemberUpdate{Language: &language}, by("u1"), false)
	if err != nil || m.Plan != "plan-199" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestAMemberIsEnrolledOnceWhoeverAsksAtOnce(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	for round := range 20 {
		member := fmt.Sprint("m", round)
		var errs [2]error
		race(
			func() {
				_, errs[0] = c.EnrolMember(t.Context(), c.Programme, member, benefits.Facts{Kind: benefits.Person}, by("a"+member), false)
			},
			func() {
				_, errs[1] = c.EnrolMember(t.Context(), c.Programme, member, benefits.Facts{Kind: benefits.Person}, by("b"+member), false)
			},
		)
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: %v, %v", round, errs[0], errs[1])
		}
		wantRefusal(t, errors.Join(errs[:]...), ledger.MemberEnrolled)
	}
}

func TestOneKeyHasOneEffectWhoeverAsksAtOnce(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	for round := range 20 {
		member := fmt.Sprint("m", round)
		enrol := func(who string, m *benefits.Member, err *error) func() {
			return func() {
				*m, *err = c.EnrolMember(t.Context(), c.Programme, who, benefits.Facts{Kind: benefits.Person}, by("k"+member), false)
			}
		}
		var same [2]benefits.Member
		var other benefits.Member
		var errs [3]error
		race(enrol(member, &same[0], &errs[0]), enrol(member, &same[1], &errs[1]), enrol("x"+member, &other, &errs[2]))
		switch {
		case errs[2] != nil:
			wantRefusal(t, errs[2], ledger.IdempotencyKeyReused)
			if errs[0] != nil || errs[1] != nil || !cmp.Equal(same[0], same[1]) {
				t.Fatalf("round %d: %v %v", round, errs[0], errs[1])
			}
		default:
			wantRefusal(t, errs[0], ledger.IdempotencyKeyReused)
			wantRefusal(t, errs[1], ledger.IdempotencyKeyReused)
		}
	}
}

func TestTwoChangesFromOneVersionAreOne(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	c.enrol(t, "ann", benefits.Person)
	plan := "plan-199"
	for round := range 20 {
		var errs [2]error
		update := benefits.MemberUpdate{Plan: &plan, Version: int64(round + 1)}
		change := func(i int) func() {
			return func() {
				_, errs[i] = c.UpdateMember(t.Context(), c.Programme, "ann", update, by(fmt.Sprint("u", i, "-", round)), false)
			}
		}
		race(change(0), change(1))
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: %v, %v", round, errs[0], errs[1])
		}
		wantRefusal(t, errors.Join(errs[:]...), ledger.MemberChanged)
	}
}

func TestAPersonIsPartOfAnOrganisationForATime(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	c.enrol(t, "ann", benefits.Person)
	c.enrol(t, "bob", benefits.Person)
	c.enrol(t, "acme", benefits.Organisation)
	c.enrol(t, "home", benefits.Household)
	may := march.AddDate(0, 2, 0)
	l := benefits.Link{Member: "ann", Of: "acme", Role: "contact", Until: may}
	if _, err := c.link(t, "l1", l); err != nil {
		t.Fatal(err)
	}
	if _, err := c.link(t, "l2", benefits.Link{Member: "ann", Of: "home"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.link(t, "l3", benefits.Link{Member: "ann", Of: "acme", From: march.AddDate(0, 1, 0)})
	wantRefusal(t, err, ledger.MemberLinked)
	if _, err := c.link(t, "l4", benefits.Link{Member: "ann", Of: "acme", From: may}); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]benefits.Link{
		"role":                 {Member: "bob", Of: "acme", Role: "pirate"},
		"a person in a person": {Member: "bob", Of: "ann"},
		"an organisation":      {Member: "acme", Of: "acme"},
		"backwards":            {Member: "bob", Of: "acme", From: may, Until: march},
	} {
		if _, err := c.link(t, "w", wrong); !errors.Is(err, &ledger.Refusal{Reason: ledger.InvalidField}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = c.link(t, "w", benefits.Link{Member: "bob", Of: "nobody"})
	wantRefusal(t, err, ledger.NotFoundReason)
	_, err = c.link(t, "w", benefits.Link{Member: "nobody", Of: "acme"})
	wantRefusal(t, err, ledger.NotFoundReason)

	c.moveClock(t, march.AddDate(0, 1, 0))
	april := march.AddDate(0, 1, 0)
	if _, err := c.UnlinkMember(t.Context(), c.Programme, benefits.Link{Member: "ann", Of: "acme"}, by("u1"), false); err != nil {
		t.Fatal(err)
	}
	facts := c.facts(t, "ann")
	want := []benefits.Membership{{Of: "acme", Role: "contact", From: march, Until: april}}
	if diff := cmp.Diff(want, facts.Organisations); diff != "" || facts.Organisations[0].At(april) || !facts.Organisations[0].At(march) {
		t.Errorf("organisations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]benefits.Membership{{Of: "home", From: march, Until: ledger.Never}}, facts.Households); diff != "" {
		t.Errorf("households (-want +got):\n%s", diff)
	}
	_, err = c.UnlinkMember(t.Context(), c.Programme, benefits.Link{Member: "ann", Of: "acme"}, by("u2"), false)
	wantRefusal(t, err, ledger.NotFoundReason)
}

func TestANumberIsOneMembersAlone(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	c.enrol(t, "ann", benefits.Person)
	c.enrol(t, "bob", benefits.Person)
	assign := func(member, number, key string) error {
		_, err := c.AssignNumber(t.Context(), c.Programme, member, number, by(key), false)
		return err
	}
	if err := errors.Join(assign("ann", "13800000001", "n1"), assign("ann", "13800000002", "n2")); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, assign("bob", "13800000001", "n3"), ledger.NumberTaken)
	wantRefusal(t, assign("bob", "not a number", "n3"), ledger.InvalidField)
	if member, err := c.MemberOf(t.Context(), c.Programme, "13800000002"); err != nil || member != "ann" {
		t.Errorf("%s, %v", member, err)
	}
	if _, err := c.ReleaseNumber(t.Context(), c.Programme, "ann", "13800000001", by("n4"), false); err != nil {
		t.Fatal(err)
	}
	_, err := c.MemberOf(t.Context(), c.Programme, "13800000001")
	wantRefusal(t, err, ledger.NotFoundReason)
	for round := range 20 {
		number := fmt.Sprint("139", round)
		var errs [2]error
		race(func() { errs[0] = assign("ann", number, "a"+number) }, func() { errs[1] = assign("bob", number, "b"+number) })
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: %v, %v", round, errs[0], errs[1])
		}
		wantRefusal(t, errors.Join(errs[:]...), ledger.NumberTaken)
	}
}

func TestMembersAreListedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	regions := []string{"", "china", "guangdong", "guangzhou"}
	for i := range 30 {
		facts := benefits.Facts{Kind: benefits.Person, Region: regions[i%4]}
		if i%3 == 0 {
			facts.Plan = "plan-199"
		}
		if i%10 == 0 {
			facts.Kind, facts.Segments = benefits.Organisation, []string{"government"}
		}
		if _, err := c.EnrolMember(t.Context(), c.Programme, fmt.Sprintf("m%02d", i), facts, by(fmt.Sprint("e", i)), false); err != nil {
			t.Fatal(err)
		}
	}
	c.Post(t, ledger.Freeze("m03", by("f1")))
	c.Post(t, ledger.Freeze("m06", by("f2")))
	c.Post(t, ledger.Freeze("stranger", by("f3")))
	if _, err := c.link(t, "l1", benefits.Link{Member: "m07", Of: "m10"}); err != nil {
		t.Fatal(err)
	}
	list := func(f benefits.MemberFilter) string {
		t.Helper()
		var refs []string
		after := ""
		for {
			page, next, err := c.ListMembers(t.Context(), c.Programme, f, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page {
				refs = append(refs, strings.TrimPrefix(m.Ref, "m"))
			}
			if after = next; next == "" {
				return strings.Join(refs, " ")
			}
		}
	}
	for _, row := range []struct {
		filter benefits.MemberFilter
		want   string
	}{
		{benefits.MemberFilter{Kind: benefits.Organisation}, "00 10 20"},
		{benefits.MemberFilter{Segment: "government"}, "00 10 20"},
		{benefits.MemberFilter{Status: benefits.MemberSuspended}, "03 06"},
		{benefits.MemberFilter{Status: benefits.MemberActive, Plan: "plan-199"}, "00 09 12 15 18 21 24 27"},
		{benefits.MemberFilter{Region: "guangzhou"}, "03 07 11 15 19 23 27"},
		{benefits.MemberFilter{Region: "guangdong"}, "02 03 06 07 10 11 14 15 18 19 22 23 26 27"},
		{benefits.MemberFilter{Region: "guangdong", Plan: "plan-199"}, "03 06 15 18 27"},
		{benefits.MemberFilter{Plan: "plan-199", Kind: benefits.Organisation}, "00"},
		{benefits.MemberFilter{Of: "m10"}, "07"},
		{benefits.MemberFilter{Region: "atlantis"}, ""},
	} {
		if got := list(row.filter); got != row.want {
			t.Errorf("%+v: %s, want %s", row.filter, got, row.want)
		}
	}
	if got := strings.Fields(list(benefits.MemberFilter{})); len(got) != 30 {
		t.Errorf("all: %v", got)
	}
}

func TestVerifyCatchesAMemberThatItsVersionsDoNotExplain(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.apply(t, document+membersSection)
	owner := devdb.Open(t, c.Database.OwnerURL, db.Options{})
	facts := benefits.Facts{Kind: benefits.Person, Plan: "plan-199", Segments: []string{"government"}}
	if _, err := c.EnrolMember(t.Context(), c.Programme, "ann", facts, by("e1"), false); err != nil {
		t.Fatal(err)
	}
	c.enrol(t, "acme", benefits.Organisation)
	if _, err := c.link(t, "l1", benefits.Link{Member: "ann", Of: "acme"}); err != nil {
		t.Fatal(err)
	}
	c.verify(t)
	for name, sql := range map[string][2]string{
		"another plan":  {`UPDATE members SET plan = 'plan-599' WHERE member = 'ann'`, `UPDATE members SET plan = 'plan-199' WHERE member = 'ann'`},
		"a gap":         {`UPDATE member_versions SET version = 9 WHERE member = 'ann' AND version = 1`, `UPDATE member_versions SET version = 1 WHERE version = 9`},
		"a lost term":   {`DELETE FROM member_terms WHERE field = 'of'`, `INSERT INTO member_terms SELECT programme_id, 'of', 'acme', member, member FROM members WHERE member = 'ann'`},
		"a stray term":  {`INSERT INTO member_terms SELECT programme_id, 'plan', 'plan-599', member, member FROM members WHERE member = 'ann'`, `DELETE FROM member_terms WHERE value = 'plan-599'`},
		"a version's":   {`UPDATE member_versions SET segments = '{}' WHERE member = 'ann' AND version = 2`, `UPDATE member_versions SET segments = '{government}' WHERE member = 'ann' AND version = 2`},
		"a lost member": {`UPDATE members SET member = 'eve' WHERE member = 'ann'`, `UPDATE members SET member = 'ann' WHERE member = 'eve'`},
	} {
		if _, err := owner.Exec(t.Context(), sql[0]); err != nil {
			t.Fatal(err)
		}
		var report ledger.Report
		if err := benefits.Verify(t.Context(), owner, &report); err != nil || report.OK() {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
		if _, err := owner.Exec(t.Context(), sql[1]); err != nil {
			t.Fatal(err)
		}
	}
	c.verify(t)
}

func TestAMembersSectionThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	for name, change := range map[string][2]string{
		"a kind":        {"members:", "members:\n  kinds: [robot]"},
		"twice":         {"plan-599", "plan-199"},
		"no name":       {"zh-Hans: 政企", "fr: État"},
		"a type":        {"type: flag", "type: colour"},
		"a level":       {"level: city", "level: continent"},
		"out of place":  {"in: china", "in: guangzhou"},
		"in nothing":    {"in: china", "in: asia"},
		"a code":        {"code: contact", "code: a contact"},
		"unknown field": {"level: city", "size: city"},
	} {
		text := strings.Replace(document+membersSection, change[0], change[1], 1)
		if _, err := c.ApplyProgramme(t.Context(), ledgertest.Application(text)); err == nil {
			t.Errorf("%s was applied", name)
		}
	}
}

func TestAMergeHandsOverWhatIsThereAndCanBeTriedFirst(t *testing.T) {
	t.Parallel()
	c := newRegistry(t)
	c.Accrue(t, "a1", "ann", "points", 70)
	merge := func(key string, preview bool) (ledger.Answer, error) {
		return c.MergeMember(t.Context(), c.Programme, "ann", "bob", by(key), preview)
	}
	if tried, err := merge("m1", true); err != nil || len(tried.Transaction.Legs) != 1 {
		t.Fatalf("%+v, %v", tried, err)
	}
	c.wantWallet(t, "ann", "points 70")
	first, err := merge("m1", false)
	if err != nil {
		t.Fatal(err)
	}
	c.wantWallet(t, "bob", "points 70")
	c.apply(t, document+membersSection+"termination: {keeps_vouchers: true}\n")
	again, err := merge("m1", false)
	if err != nil || !again.Replayed || again.Transaction.ID != first.Transaction.ID {
		t.Errorf("retry: %+v, %v", again, err)
	}
	_, err = merge("m2", false)
	wantRefusal(t, err, ledger.NothingToMerge)
	c.Accrue(t, "a2", "ann", "points", 5) // a late bill
	if _, err = merge("m3", false); err != nil {
		t.Fatal(err)
	}
	c.wantWallet(t, "bob", "points 75")
}
