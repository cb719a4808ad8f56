package rpc

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tallystick/benefits"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

// change is what the requests of all changes of what is known of members have in common.
type change interface {
	GetIdempotencyKey() string
	GetReason() string
	GetChannel() string
}

func changed(ctx context.Context, m change) ledger.Request {
	r := asked(caller(ctx), m.GetIdempotencyKey())
	r.Reason, r.Channel = m.GetReason(), m.GetChannel()
	return r
}

func (s *server) EnrolMember(ctx context.Context, m *v1.EnrolMemberRequest) (*v1.EnrolMemberResponse, error) {
	attributes, err := attributesOf(m.Attributes, nil)
	if err != nil {
		return nil, err
	}
	facts := benefits.Facts{
		Kind: memberKinds[m.Kind], Plan: m.Plan, Region: m.Region, Segments: m.Segments, Language: m.Language,
		EnrolledAt: instant(m.EnrolledAt), BirthMonth: time.Month(m.Birthday.GetMonth()), BirthDay: int(m.Birthday.GetDay()),
		Attributes: attributes,
	}
	member, err := s.benefits.EnrolMember(ctx, caller(ctx).Programme, m.MemberId, facts, changed(ctx, m), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.EnrolMemberResponse{Member: recordOf(member)}, nil
}

func (s *server) UpdateMember(ctx context.Context, m *v1.UpdateMemberRequest) (*v1.UpdateMemberResponse, error) {
	attributes, err := attributesOf(m.Attributes, m.ClearAttributes)
	if err != nil {
		return nil, err
	}
	u := benefits.MemberUpdate{Plan: m.Plan, Region: m.Region, Language: m.Language, Attributes: attributes, Version: m.Version}
	if m.Segments != nil {
		u.Segments = &m.Segments.Segments
	}
	if m.Birthday != nil {
		u.Birthday = &benefits.Birthday{Month: time.Month(m.Birthday.Month), Day: int(m.Birthday.Day)}
	}
	member, err := s.benefits.UpdateMember(ctx, caller(ctx).Programme, m.MemberId, u, changed(ctx, m), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.UpdateMemberResponse{Member: recordOf(member)}, nil
}

func (s *server) GetMember(ctx context.Context, m *v1.GetMemberRequest) (*v1.GetMemberResponse, error) {
	programme, ref := caller(ctx).Programme, m.MemberId
	if (m.MemberId == "") == (m.Number == "") {
		return nil, invalidField("member_id", "give it, or a number")
	}
	if ref == "" {
		var err error
		if ref, err = s.benefits.MemberOf(ctx, programme, m.Number); err != nil {
			return nil, err
		}
	}
	member, err := s.benefits.GetMember(ctx, programme, ref)
	if err != nil {
		return nil, err
	}
	return &v1.GetMemberResponse{Member: recordOf(member)}, nil
}

// ListMembers has a reference as its cursor.
func (s *server) ListMembers(ctx context.Context, m *v1.ListMembersRequest) (*v1.ListMembersResponse, error) {
	programme := caller(ctx).Programme
	after, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	f := benefits.MemberFilter{
		Kind: memberKinds[m.Kind], Status: memberStatuses[m.Status], Plan: m.Plan, Region: m.Region, Segment: m.Segment, Of: m.Of,
	}
	list, next, err := s.benefits.ListMembers(ctx, programme, f, string(after), pageSize(m))
	if err != nil {
		return nil, err
	}
	res := &v1.ListMembersResponse{Members: make([]*v1.MemberRecord, len(list))}
	for i := range list {
		res.Members[i] = recordOf(list[i])
	}
	res.NextPageToken, err = s.pages.token(programme, m, []byte(next))
	return res, err
}

// ListMemberVersions has as its cursor the version before which a page begins.
func (s *server) ListMemberVersions(ctx context.Context, m *v1.ListMemberVersionsRequest) (*v1.ListMemberVersionsResponse, error) {
	programme, size, before := caller(ctx).Programme, pageSize(m), int64(math.MaxInt64)
	cursor, err := s.pages.cursor(programme, m)
	switch {
	case err != nil:
		return nil, err
	case len(cursor) == 8:
		before = int64(binary.BigEndian.Uint64(cursor))
	case cursor != nil:
		return nil, fmt.Errorf("cursor of %d bytes", len(cursor))
	}
	list, err := s.benefits.MemberHistory(ctx, programme, m.MemberId, before, size+1)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		next = binary.BigEndian.AppendUint64(nil, uint64(list[size-1].Version))
	}
	res := &v1.ListMemberVersionsResponse{Versions: make([]*v1.MemberVersion, len(list))}
	for i, v := range list {
		res.Versions[i] = &v1.MemberVersion{
			Member: recordOf(v.Member), What: v.What, Actor: v.Actor, Channel: v.Channel, Reason: v.Reason,
		}
	}
	res.NextPageToken, err = s.pages.token(programme, m, next)
	return res, err
}

func (s *server) LinkMember(ctx context.Context, m *v1.LinkMemberRequest) (*v1.LinkMemberResponse, error) {
	l := benefits.Link{Member: m.MemberId, Of: m.Of, Role: m.Role, From: instant(m.From), Until: instant(m.Until)}
	member, err := s.benefits.LinkMember(ctx, caller(ctx).Programme, l, changed(ctx, m), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.LinkMemberResponse{Member: recordOf(member)}, nil
}

func (s *server) UnlinkMember(ctx context.Context, m *v1.UnlinkMemberRequest) (*v1.UnlinkMemberResponse, error) {
	l := benefits.Link{Member: m.MemberId, Of: m.Of, Until: instant(m.Until)}
	member, err := s.benefits.UnlinkMember(ctx, caller(ctx).Programme, l, changed(ctx, m), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.UnlinkMemberResponse{Member: recordOf(member)}, nil
}

func (s *server) AssignNumber(ctx context.Context, m *v1.AssignNumberRequest) (*v1.AssignNumberResponse, error) {
	member, err := s.benefits.AssignNumber(ctx, caller(ctx).Programme, m.MemberId, m.Number, changed(ctx, m), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.AssignNumberResponse{Member: recordOf(member)}, nil
}

func (s *server) ReleaseNumber(ctx context.Context, m *v1.ReleaseNumberRequest) (*v1.ReleaseNumberResponse, error) {
	member, err := s.benefits.ReleaseNumber(ctx, caller(ctx).Programme, m.MemberId, m.Number, changed(ctx, m), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.ReleaseNumberResponse{Member: recordOf(member)}, nil
}

func (s *server) TerminateMember(ctx context.Context, m *v1.TerminateMemberRequest) (*v1.TerminateMemberResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	tx, err := s.record(ctx, ledger.Forfeit(m.MemberId, r), m.Preview)
	return &v1.TerminateMemberResponse{Transaction: tx}, err
}

func (s *server) MergeMember(ctx context.Context, m *v1.MergeMemberRequest) (*v1.MergeMemberResponse, error) {
	answer, err := s.benefits.MergeMember(ctx, caller(ctx).Programme, m.MemberId, m.IntoMemberId, changed(ctx, m), m.Preview)
	tx, err := s.decided(ctx, answer, err, m.Preview)
	return &v1.MergeMemberResponse{Transaction: tx}, err
}

// decided translates what became of a request, or would.
func (s *server) decided(ctx context.Context, answer ledger.Answer, err error, preview bool) (*v1.Transaction, error) {
	if preview {
		return previewed(answer.Transaction, err)
	}
	return answered(ctx, answer, err)
}

var memberKinds = map[v1.MemberKind]benefits.MemberKind{
	v1.MemberKind_MEMBER_KIND_PERSON: benefits.Person, v1.MemberKind_MEMBER_KIND_HOUSEHOLD: benefits.Household,
	v1.MemberKind_MEMBER_KIND_ORGANISATION: benefits.Organisation,
}

var memberStatuses = map[v1.MemberStatus]benefits.MemberStatus{
	v1.MemberStatus_MEMBER_STATUS_ACTIVE: benefits.MemberActive, v1.MemberStatus_MEMBER_STATUS_SUSPENDED: benefits.MemberSuspended,
	v1.MemberStatus_MEMBER_STATUS_TERMINATED: benefits.MemberTerminated,
}

// nameOf finds a value's number in the contract, which is 0 for what has none.
func nameOf[K, V comparable](names map[K]V, value V) K {
	for number, name := range names {
		if name == value {
			return number
		}
	}
	var none K
	return none
}

func recordOf(m benefits.Member) *v1.MemberRecord {
	record := &v1.MemberRecord{
		MemberId: m.Ref, Version: m.Version, ChangedAt: timestamppb.New(m.ChangedAt), Kind: nameOf(memberKinds, m.Kind),
		Status: nameOf(memberStatuses, m.Status), Plan: m.Plan, Region: m.Region, Segments: m.Segments, Language: m.Language,
		EnrolledAt: timestamppb.New(m.EnrolledAt), Attributes: fieldsOf(m.Attributes), Numbers: m.Numbers,
		Organisations: membershipsOf(m.Organisations), Households: membershipsOf(m.Households),
	}
	if m.BirthMonth != 0 {
		record.Birthday = &v1.Birthday{Month: int32(m.BirthMonth), Day: int32(m.BirthDay)}
	}
	return record
}

func membershipsOf(links []benefits.Membership) []*v1.Membership {
	list := make([]*v1.Membership, len(links))
	for i, l := range links {
		list[i] = &v1.Membership{Of: l.Of, Role: l.Role, From: timestamppb.New(l.From)}
		if l.Until.Before(ledger.Never) {
			list[i].Until = timestamppb.New(l.Until)
		}
	}
	return list
}

func fieldsOf(attributes map[string]any) []*v1.Field {
	list := make([]*v1.Field, 0, len(attributes))
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		field := &v1.Field{Name: name}
		switch value := attributes[name].(type) {
		case string:
			field.Value = &v1.Field_Text{Text: value}
		case bool:
			field.Value = &v1.Field_Flag{Flag: value}
		case decimal.Decimal:
			field.Value = &v1.Field_Number{Number: value.String()}
		}
		list = append(list, field)
	}
	return list
}

// attributesOf reads attributes to set and to take away, whose form validation has checked.
func attributesOf(fields []*v1.Field, removed []string) (map[string]any, error) {
	attributes, err := valuesOf("attributes", fields)
	if err != nil {
		return nil, err
	}
	if attributes == nil {
		attributes = make(map[string]any, len(removed))
	}
	for _, name := range removed {
		if _, twice := attributes[name]; twice {
			return nil, invalidField("clear_attributes", name+": given twice")
		}
		attributes[name] = nil
	}
	return attributes, nil
}
