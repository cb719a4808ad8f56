package rpc

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	v1 "tallystick/proto/tallystick/v1"
)

var loungeKinds = map[benefits.LoungeKind]v1.LoungeKind{
	benefits.AirportLounge:   v1.LoungeKind_LOUNGE_KIND_AIRPORT_LOUNGE,
	benefits.RailwayLounge:   v1.LoungeKind_LOUNGE_KIND_RAILWAY_LOUNGE,
	benefits.AirportFastLane: v1.LoungeKind_LOUNGE_KIND_AIRPORT_FAST_LANE,
	benefits.RailwayFastLane: v1.LoungeKind_LOUNGE_KIND_RAILWAY_FAST_LANE,
}

var kindsOfLounge = inverse(loungeKinds)

var visitStates = map[benefits.VisitState]v1.VisitState{
	benefits.VisitPending:  v1.VisitState_VISIT_STATE_PENDING,
	benefits.VisitReported: v1.VisitState_VISIT_STATE_REPORTED,
	benefits.VisitCanceled: v1.VisitState_VISIT_STATE_CANCELED,
	benefits.VisitReleased: v1.VisitState_VISIT_STATE_RELEASED,
}

var headStates = map[benefits.HeadState]v1.HeadState{
	benefits.HeadHeld:     v1.HeadState_HEAD_STATE_HELD,
	benefits.HeadCharged:  v1.HeadState_HEAD_STATE_CHARGED,
	benefits.HeadReturned: v1.HeadState_HEAD_STATE_RETURNED,
	benefits.HeadOpen:     v1.HeadState_HEAD_STATE_OPEN,
}

// ListLounges has a lounge's code as its cursor.
func (s *server) ListLounges(ctx context.Context, m *v1.ListLoungesRequest) (*v1.ListLoungesResponse, error) {
	programme := caller(ctx).Programme
	cursor, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	size := pageSize(m)
	q := benefits.LoungesQuery{
		Station: m.Station, Region: m.Region, Benefit: m.BenefitId, Guests: int(m.Guests), OpenAt: instant(m.OpenAt),
		After: string(cursor), Limit: size + 1,
	}
	for _, kind := range m.Kinds {
		q.Kinds = append(q.Kinds, kindsOfLounge[kind])
	}
	list, err := s.benefits.ListLounges(ctx, programme, q)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		next = []byte(list[size-1].Code)
	}
	res := &v1.ListLoungesResponse{Lounges: make([]*v1.Lounge, len(list))}
	for i, l := range list {
		res.Lounges[i] = &v1.Lounge{
			Id: l.Code, Kind: loungeKinds[l.Kind], Names: l.Names, Station: l.Station, Terminal: l.Terminal, Region: l.Region,
			OperatorId: l.Operator, Guests: int32(l.Guests), Amenities: l.Amenities, BenefitIds: l.Benefits, Open: l.Open, ChangesAt: ending(l.Changes),
		}
	}
	res.NextPageToken, err = s.pages.token(programme, m, next)
	return res, err
}

func (s *server) GetLoungeAllotment(ctx context.Context, m *v1.GetLoungeAllotmentRequest) (*v1.GetLoungeAllotmentResponse, error) {
	member, err := memberOf(caller(ctx), m.MemberId)
	if err != nil {
		return nil, err
	}
	list, err := s.benefits.LoungeAllotments(ctx, caller(ctx).Programme, member)
	if err != nil {
		return nil, err
	}
	res := &v1.GetLoungeAllotmentResponse{Allotments: make([]*v1.LoungeAllotment, len(list))}
	for i, l := range list {
		res.Allotments[i] = &v1.LoungeAllotment{
			BenefitId: l.Code, Names: l.Names, Own: usesOf(l.Own), Guests: usesOf(l.ForGuests), Shared: l.Shared,
			MostGuests: int32(l.MostGuests), FreeGuests: int32(l.FreeGuests),
		}
	}
	return res, nil
}

func usesOf(a *benefits.MemberAllotment) *v1.VisitUses {
	if a == nil {
		return nil
	}
	return &v1.VisitUses{
		Unit: a.Unit, TierId: a.Tier, Total: a.Total.String(), Used: a.Used.String(), Pending: a.Pending.String(), Left: a.Left.String(), End: timeOf(a.End),
	}
}

// ListVisits has as its cursor the last visit's time and id.
func (s *server) ListVisits(ctx context.Context, m *v1.ListVisitsRequest) (*v1.ListVisitsResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	var after *benefits.VisitCursor
	if len(cursor) == 24 {
		after = &benefits.VisitCursor{At: time.UnixMicro(int64(binary.BigEndian.Uint64(cursor))).UTC(), ID: uuid.UUID(cursor[8:])}
	}
	size := pageSize(m)
	list, err := s.benefits.ListVisits(ctx, p.Programme, member, after, size+1)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		last := list[size-1]
		next = append(binary.BigEndian.AppendUint64(nil, uint64(last.At.UnixMicro())), last.ID[:]...)
	}
	res := &v1.ListVisitsResponse{Visits: make([]*v1.Visit, len(list))}
	for i := range list {
		res.Visits[i] = visitOf(&list[i])
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func visitOf(v *benefits.Visit) *v1.Visit {
	m := &v1.Visit{
		Id: idOf(v.ID), LoungeId: v.Lounge, BenefitId: v.Benefit, Guests: int32(v.Guests), FreeGuests: int32(v.Free),
		State: visitStates[v.State], CheckedInAt: timeOf(v.At), ReleaseAt: timeOf(v.ReleaseAt),
	}
	for _, head := range v.Heads {
		line := &v1.VisitHead{Unit: head.Unit, State: headStates[head.State], TransactionId: idOf(head.Transaction)}
		if head.Unit != "" {
			line.Amount = head.Amount.String()
		}
		m.Heads = append(m.Heads, line)
	}
	if v.Report != nil {
		m.VisitedAt, m.ReportedGuests = timeOf(v.Report.VisitedAt), int32(v.Report.Guests)
	}
	return m
}

func (s *server) CheckInVisit(ctx context.Context, m *v1.CheckInVisitRequest) (*v1.CheckInVisitResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	w := benefits.CheckIn{
		Operator: partner, Lounge: m.LoungeId, Code: m.Code, Member: m.MemberId, Benefit: m.BenefitId, Guests: int(m.Guests),
	}
	if (m.Code == "") == (m.MemberId == "") {
		return nil, invalidField("code", "give it, or a member")
	}
	for _, agreed := range m.Consent {
		most, err := decimal.NewFromString(agreed.Most)
		if err != nil {
			return nil, invalidField("consent", "give a number")
		}
		w.Consent = append(w.Consent, benefits.Consent{Unit: agreed.Unit, Most: most})
	}
	act := s.benefits.CheckInVisit
	if m.Preview {
		act = s.benefits.PreviewVisit
	}
	visit, err := act(ctx, p.Programme, w, asked(p, m.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return &v1.CheckInVisitResponse{Visit: visitOf(&visit)}, nil
}

func (s *server) CancelVisit(ctx context.Context, m *v1.CancelVisitRequest) (*v1.CancelVisitResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	act := s.benefits.CancelVisit
	if m.Preview {
		act = s.benefits.PreviewCancelVisit
	}
	visit, err := act(ctx, p.Programme, partner, parseID(m.VisitId), asked(p, m.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return &v1.CancelVisitResponse{Visit: visitOf(&visit)}, nil
}

func (s *server) ReportVisit(ctx context.Context, m *v1.ReportVisitRequest) (*v1.ReportVisitResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	if (m.Code == "") == (m.VisitId == "") {
		return nil, invalidField("visit_id", "give it, or a code")
	}
	reported, err := s.benefits.ReportVisit(ctx, p.Programme, benefits.VisitRecord{
		Operator: partner, Record: m.RecordId, Visit: parseID(m.VisitId), Code: m.Code, Lounge: m.LoungeId, At: m.VisitedAt.AsTime(), Guests: int(m.Guests),
	}, asked(p, m.RecordId))
	if err != nil {
		return nil, err
	}
	return &v1.ReportVisitResponse{Visit: visitOf(&reported.Visit), Known: reported.Known, Open: int32(reported.Open)}, nil
}
