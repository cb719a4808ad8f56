package rpc

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/benefits"
	"tallystick/ledger"
	"tallystick/partners"
	v1 "tallystick/proto/tallystick/v1"
)

var tierSources = map[benefits.Source]v1.TierSource{
	benefits.ByPoints: v1.TierSource_TIER_SOURCE_POINTS, benefits.ByScore: v1.TierSource_TIER_SOURCE_SCORE,
	benefits.ByPercentile: v1.TierSource_TIER_SOURCE_PERCENTILE, benefits.ByPlan: v1.TierSource_TIER_SOURCE_PLAN,
	benefits.ByOrganisation: v1.TierSource_TIER_SOURCE_ORGANISATION, benefits.ByOverride: v1.TierSource_TIER_SOURCE_OVERRIDE,
}

var tierCauses = map[benefits.Cause]v1.TierCause{
	benefits.Rise: v1.TierCause_TIER_CAUSE_RISE, benefits.Requalified: v1.TierCause_TIER_CAUSE_REQUALIFIED,
	benefits.Fall: v1.TierCause_TIER_CAUSE_FALL, benefits.SoftLanding: v1.TierCause_TIER_CAUSE_SOFT_LANDING,
	benefits.Corrected: v1.TierCause_TIER_CAUSE_CORRECTED, benefits.PlanChanged: v1.TierCause_TIER_CAUSE_PLAN_CHANGED,
	benefits.GradeChanged: v1.TierCause_TIER_CAUSE_ORGANISATION_CHANGED, benefits.Withdrawn: v1.TierCause_TIER_CAUSE_WITHDRAWN,
	benefits.Scheduled: v1.TierCause_TIER_CAUSE_STARTS_LATER, benefits.Overridden: v1.TierCause_TIER_CAUSE_OVERRIDE,
	benefits.OverrideEnd: v1.TierCause_TIER_CAUSE_OVERRIDE_ENDED,
}

func (s *server) GetTier(ctx context.Context, m *v1.GetTierRequest) (*v1.GetTierResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	if m.At != nil {
		return s.tiersOn(ctx, member, m.At.AsTime())
	}
	standing, _, err := s.benefits.PreviewRate(ctx, p.Programme, member)
	if err != nil {
		return nil, err
	}
	standings, err := s.standingsOf(ctx, standing)
	return &v1.GetTierResponse{Standings: standings}, err
}

func (s *server) tiersOn(ctx context.Context, member string, at time.Time) (*v1.GetTierResponse, error) {
	programme := caller(ctx).Programme
	groups, err := s.benefits.TierGroups(ctx, programme)
	if err != nil {
		return nil, err
	}
	held, err := s.benefits.TiersOn(ctx, programme, member, at)
	if err != nil {
		return nil, err
	}
	res := &v1.GetTierResponse{}
	for _, h := range held {
		g := groups.Group(h.Group)
		res.Standings = append(res.Standings, &v1.TierStanding{
			Group: h.Group, GroupNames: g.Names, TierId: h.Tier, Names: g.Named(h.Tier), Source: tierSources[h.Source], Until: ending(h.Until),
		})
	}
	return res, nil
}

func (s *server) standingsOf(ctx context.Context, standing benefits.Standing) ([]*v1.TierStanding, error) {
	programme, err := s.ledger.Programme(ctx, caller(ctx).Programme)
	if err != nil {
		return nil, err
	}
	list := make([]*v1.TierStanding, len(standing.Groups))
	for i, g := range standing.Groups {
		st := &v1.TierStanding{Group: g.Group.Code, GroupNames: g.Group.Names}
		if tier := g.Tier(); tier != nil {
			st.TierId, st.Names, st.Source, st.Until = tier.Code, tier.Names, tierSources[g.Source], ending(g.Until)
		}
		for _, claim := range g.Claims {
			st.Claims = append(st.Claims, claimOf(g.Group, claim, programme.Zone))
		}
		for _, goal := range g.Goals() {
			st.Goals = append(st.Goals, goalOf(goal, programme.Zone))
		}
		list[i] = st
	}
	return list, nil
}

func claimOf(g *benefits.TierGroup, c benefits.TierClaim, zone *time.Location) *v1.TierClaim {
	told := benefits.TierChange{
		Source: c.Source, Cause: c.Cause, To: c.Tier.Code, Start: c.Start, Until: c.Until, Later: c.Later, Reason: c.Reason(),
	}
	return &v1.TierClaim{
		Source: tierSources[c.Source], TierId: c.Tier.Code, Cause: tierCauses[c.Cause], From: timestamppb.New(c.Start), Until: ending(c.Until),
		GraceUntil: ending(c.LotUntil), Later: c.Later, TransactionId: idOf(c.Decision), DecidedAt: timestamppb.New(c.DecidedAt),
		Reason: tierReasonOf(told.Reason), Text: tierText(g, told, zone),
	}
}

func goalOf(goal benefits.TierGoal, zone *time.Location) *v1.TierGoal {
	m := &v1.TierGoal{TierId: goal.Tier.Code, Names: goal.Tier.Names, Keeps: goal.Keeps, By: ending(goal.By), Text: goalText(goal, zone)}
	for _, source := range []benefits.Source{benefits.ByPoints, benefits.ByScore, benefits.ByPercentile} {
		if measures := goal.Ways[source]; len(measures) > 0 {
			m.Ways = append(m.Ways, &v1.TierWay{Source: tierSources[source], Measures: measuresOf(measures)})
		}
	}
	return m
}

func measuresOf(list []benefits.TierMeasure) []*v1.TierMeasure {
	measures := make([]*v1.TierMeasure, len(list))
	for i, m := range list {
		measures[i] = &v1.TierMeasure{
			Measure: m.Measure, Unit: m.Unit, Value: m.Value.String(), Asked: m.Asked.String(), Missing: m.Missing().String(),
			From: timestamppb.New(m.Period.From), Until: ending(m.Period.To),
		}
	}
	return measures
}

func tierReasonOf(r benefits.TierReason) *v1.TierReason {
	return &v1.TierReason{
		Measures: measuresOf(r.Measures), Plan: r.Plan, OrganisationId: r.Organisation, Grade: r.Grade, Said: r.Said,
	}
}

// ending is the end of something; absent for what has none.
func ending(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() || t.Equal(ledger.Never) {
		return nil
	}
	return timestamppb.New(t)
}

// ListTierHistory has as its cursor how many changes came before the page: they are kept for ever, and new ones come first, so
// it counts from the oldest.
func (s *server) ListTierHistory(ctx context.Context, m *v1.ListTierHistoryRequest) (*v1.ListTierHistoryResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	history, err := s.benefits.TierHistory(ctx, p.Programme, member)
	if err != nil {
		return nil, err
	}
	if len(cursor) == 8 {
		older := binary.BigEndian.Uint64(cursor)
		history = history[len(history)-int(min(older, uint64(len(history)))):]
	}
	groups, err := s.benefits.TierGroups(ctx, p.Programme)
	if err != nil {
		return nil, err
	}
	programme, err := s.ledger.Programme(ctx, p.Programme)
	if err != nil {
		return nil, err
	}
	var next []byte
	if size := pageSize(m); len(history) > size {
		next = binary.BigEndian.AppendUint64(nil, uint64(len(history)-size))
		history = history[:size]
	}
	res := &v1.ListTierHistoryResponse{Changes: make([]*v1.TierChange, len(history))}
	for i, change := range history {
		res.Changes[i] = tierChangeOf(groups.Group(change.Group), change, programme.Zone)
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func tierChangeOf(g *benefits.TierGroup, c benefits.TierChange, zone *time.Location) *v1.TierChange {
	m := &v1.TierChange{
		Group: c.Group, Source: tierSources[c.Source], Cause: tierCauses[c.Cause], BeforeId: c.From, AfterId: c.To, Later: c.Later,
		TransactionId: idOf(c.Decision), DecidedAt: timestamppb.New(c.At), Reason: tierReasonOf(c.Reason), Text: tierText(g, c, zone),
	}
	if c.To != "" {
		m.From, m.Until, m.GraceUntil = timestamppb.New(c.Start), ending(c.Until), ending(c.LotUntil)
	}
	return m
}

func (s *server) RateMember(ctx context.Context, m *v1.RateMemberRequest) (*v1.RateMemberResponse, error) {
	programme := caller(ctx).Programme
	var standing benefits.Standing
	var err error
	if m.Preview {
		standing, _, err = s.benefits.PreviewRate(ctx, programme, m.MemberId)
	} else {
		standing, err = s.benefits.Qualify(ctx, programme, m.MemberId)
	}
	if err != nil {
		return nil, err
	}
	standings, err := s.standingsOf(ctx, standing)
	return &v1.RateMemberResponse{Standings: standings}, err
}

func (s *server) OverrideTier(ctx context.Context, m *v1.OverrideTierRequest) (*v1.OverrideTierResponse, error) {
	o := benefits.Override{Member: m.MemberId, Group: m.Group, Tier: m.TierId, Until: m.Until.AsTime()}
	tx, err := s.overrideTier(ctx, o, m)
	return &v1.OverrideTierResponse{Transaction: tx}, err
}

func (s *server) EndOverride(ctx context.Context, m *v1.EndOverrideRequest) (*v1.EndOverrideResponse, error) {
	tx, err := s.overrideTier(ctx, benefits.Override{Member: m.MemberId, Group: m.Group}, m)
	return &v1.EndOverrideResponse{Transaction: tx}, err
}

func (s *server) overrideTier(ctx context.Context, o benefits.Override, m interface {
	change
	GetPreview() bool
},
) (*v1.Transaction, error) {
	if m.GetPreview() {
		return previewed(s.benefits.PreviewOverride(ctx, caller(ctx).Programme, o, changed(ctx, m)))
	}
	answer, err := s.benefits.OverrideTier(ctx, caller(ctx).Programme, o, changed(ctx, m))
	return answered(ctx, answer, err)
}

func (s *server) SetMetrics(ctx context.Context, m *v1.SetMetricsRequest) (*v1.SetMetricsResponse, error) {
	report := benefits.MetricReport{Member: m.MemberId, Period: m.Period, Values: make(map[string]decimal.Decimal, len(m.Values))}
	for _, v := range m.Values {
		if _, twice := report.Values[v.Metric]; twice {
			return nil, invalidField("values", "report each metric once")
		}
		value, err := decimal.NewFromString(v.Value)
		if err != nil {
			return nil, invalidField("values", v.Metric+": give a number")
		}
		report.Values[v.Metric] = value
	}
	report, err := s.benefits.SetMetrics(ctx, caller(ctx).Programme, report, changed(ctx, m), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.SetMetricsResponse{Report: reportOf(report)}, nil
}

// ListMetrics has as its cursor the last row's number and period.
func (s *server) ListMetrics(ctx context.Context, m *v1.ListMetricsRequest) (*v1.ListMetricsResponse, error) {
	programme := caller(ctx).Programme
	cursor, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	var period string
	var number int64
	if len(cursor) > 8 {
		number, period = int64(binary.BigEndian.Uint64(cursor)), string(cursor[8:])
	}
	size := pageSize(m)
	list, err := s.benefits.Metrics(ctx, programme, m.MemberId, period, number, size+1)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		last := list[size-1]
		next = append(binary.BigEndian.AppendUint64(nil, uint64(last.N)), last.Period...)
	}
	res := &v1.ListMetricsResponse{Reports: make([]*v1.MetricReport, len(list))}
	for i, report := range list {
		res.Reports[i] = reportOf(report)
	}
	res.NextPageToken, err = s.pages.token(programme, m, next)
	return res, err
}

func reportOf(r benefits.MetricReport) *v1.MetricReport {
	m := &v1.MetricReport{
		MemberId: r.Member, Period: r.Period, Number: r.N, ReportedAt: timestamppb.New(r.At), Actor: r.Actor, Reason: r.Reason,
	}
	for metric, value := range r.Values {
		m.Values = append(m.Values, &v1.MetricValue{Metric: metric, Value: value.String()})
	}
	slices.SortFunc(m.Values, func(a, b *v1.MetricValue) int { return strings.Compare(a.Metric, b.Metric) })
	return m
}

// tierSentences say why a tier was given, by cause or, where the cause only says that more or less was measured, by source.
var tierSentences = map[string]sentence{
	string(benefits.SoftLanding): {"{tier}: the validity of the higher tier is over, one tier down", "{tier}：上一等级有效期已满，下调一级"},
	string(benefits.Withdrawn):   {"What would have begun later does not", "原定生效的等级已取消"},
	string(benefits.OverrideEnd): {"The tier by decision has ended: {said}", "人工定级已结束：{said}"},
	"lost " + string(benefits.Corrected): {
		"What the tier was reached with was taken back", "达标依据已被冲回",
	},
	"lost":                          {"No tier any more", "不再享有等级"},
	string(benefits.ByPoints):       {"{tier}: {measures}", "{tier}：{measures}"},
	string(benefits.ByScore):        {"{tier}: {measures}", "{tier}：{measures}"},
	string(benefits.ByPercentile):   {"{tier}: {measures}", "{tier}：{measures}"},
	string(benefits.ByPlan):         {"{tier}: it goes with plan {plan}", "{tier}：随套餐 {plan} 享有"},
	string(benefits.ByOrganisation): {"{tier}: it goes with grade {grade} of {organisation}", "{tier}：随单位 {organisation} 的 {grade} 等级享有"},
	string(benefits.ByOverride):     {"{tier} by decision: {said}", "{tier}，人工定级：{said}"},
}

// tierText says for people what a tier was decided on and how long it holds.
func tierText(g *benefits.TierGroup, c benefits.TierChange, zone *time.Location) map[string]string {
	text, found := tierSentences[string(c.Cause)]
	switch {
	case c.To == "" && !found:
		if text, found = tierSentences["lost "+string(c.Cause)]; !found {
			text = tierSentences["lost"]
		}
	case !found:
		text = tierSentences[string(c.Source)]
	}
	filled := make(map[string]string, 2)
	for language, words := range text.byLanguage() {
		for name, value := range map[string]string{
			"{tier}": g.Named(c.To)[language], "{plan}": c.Reason.Plan, "{grade}": c.Reason.Grade, "{organisation}": c.Reason.Organisation,
			"{said}": c.Reason.Said, "{measures}": measuresText(language, c.Reason.Measures),
		} {
			words = strings.ReplaceAll(words, name, value)
		}
		filled[language] = words + lasting(language, c, zone)
	}
	return filled
}

// lasting says from when and how long a tier holds; of an end at midnight the last day.
func lasting(language string, c benefits.TierChange, zone *time.Location) string {
	text := ""
	if c.Later {
		text += map[string]string{"en": "; from " + day("en", c.Start, zone), "zh-Hans": "；自" + day("zh-Hans", c.Start, zone) + "起"}[language]
	}
	if c.To != "" && !c.Until.Equal(ledger.Never) {
		last := c.Until.Add(-time.Microsecond)
		text += map[string]string{"en": "; until " + day("en", last, zone), "zh-Hans": "；有效期至" + day("zh-Hans", last, zone)}[language]
	}
	return text
}

func day(language string, at time.Time, zone *time.Location) string {
	if language == "en" {
		return at.In(zone).Format("2 January 2006")
	}
	return at.In(zone).Format("2006年1月2日")
}

func measuresText(language string, measures []benefits.TierMeasure) string {
	forms := map[string][2]string{"en": {"%s %s of %s", ", "}, "zh-Hans": {"%s %s，要求 %s", "；"}}
	list := make([]string, len(measures))
	for i, m := range measures {
		what := m.Unit
		if what == "" {
			what = m.Measure
		}
		list[i] = fmt.Sprintf(forms[language][0], what, m.Value, m.Asked)
	}
	return strings.Join(list, forms[language][1])
}

var goalSentences = map[bool]sentence{
	true:  {"To keep {tier}, by {by}: {ways}", "保级 {tier}（{by}前）：{ways}"},
	false: {"To reach {tier}, by {by}: {ways}", "升级 {tier}（{by}前）：{ways}"},
}

// goalText says what is missing to a tier: of each way all that is missing, or that it is reached.
func goalText(goal benefits.TierGoal, zone *time.Location) map[string]string {
	words := map[string][3]string{"en": {"%s more %s", " and ", "reached"}, "zh-Hans": {"还差 %s %s", "，", "已达成"}}
	or := map[string]string{"en": ", or ", "zh-Hans": "，或"}
	filled := make(map[string]string, len(partners.Languages))
	for language, text := range goalSentences[goal.Keeps].byLanguage() {
		var ways []string
		for _, source := range []benefits.Source{benefits.ByPoints, benefits.ByScore, benefits.ByPercentile} {
			var missing []string
			for _, m := range goal.Ways[source] {
				what := m.Unit
				if what == "" {
					what = m.Measure
				}
				if left := m.Missing(); left.IsPositive() {
					missing = append(missing, fmt.Sprintf(words[language][0], left, what))
				}
			}
			switch {
			case len(goal.Ways[source]) == 0:
			case len(missing) == 0:
				ways = append(ways, words[language][2])
			default:
				ways = append(ways, strings.Join(missing, words[language][1]))
			}
		}
		by := day(language, goal.By.Add(-time.Microsecond), zone)
		filled[language] = strings.NewReplacer("{tier}", goal.Tier.Names[language], "{by}", by, "{ways}", strings.Join(ways, or[language])).Replace(text)
	}
	return filled
}
