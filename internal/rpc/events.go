package rpc

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"tallystick/benefits"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

var eventTypes = map[benefits.EventType]v1.EventType{
	benefits.Golf:    v1.EventType_EVENT_TYPE_GOLF,
	benefits.Tasting: v1.EventType_EVENT_TYPE_TASTING,
	benefits.Lecture: v1.EventType_EVENT_TYPE_LECTURE,
	benefits.Class:   v1.EventType_EVENT_TYPE_CLASS,
	benefits.Tour:    v1.EventType_EVENT_TYPE_TOUR,
	benefits.Social:  v1.EventType_EVENT_TYPE_SOCIAL,
}

var admissions = map[benefits.Admission]v1.Admission{
	benefits.OpenToAll:     v1.Admission_ADMISSION_OPEN,
	benefits.ByInvitation:  v1.Admission_ADMISSION_INVITATION,
	benefits.ByApplication: v1.Admission_ADMISSION_APPLICATION,
	benefits.Offered:       v1.Admission_ADMISSION_OFFER,
}

var bookingStates = map[benefits.BookingState]v1.BookingState{
	benefits.BookingApplied:  v1.BookingState_BOOKING_STATE_APPLIED,
	benefits.BookingOffered:  v1.BookingState_BOOKING_STATE_OFFERED,
	benefits.BookingBooked:   v1.BookingState_BOOKING_STATE_BOOKED,
	benefits.BookingAttended: v1.BookingState_BOOKING_STATE_ATTENDED,
	benefits.BookingMissed:   v1.BookingState_BOOKING_STATE_NO_SHOW,
	benefits.BookingCanceled: v1.BookingState_BOOKING_STATE_CANCELED,
	benefits.BookingDeclined: v1.BookingState_BOOKING_STATE_DECLINED,
	benefits.BookingLapsed:   v1.BookingState_BOOKING_STATE_LAPSED,
}

// ListEvents reads one row more than the page has, to know whether another follows. Its cursor is an event's code.
func (s *server) ListEvents(ctx context.Context, m *v1.ListEventsRequest) (*v1.ListEventsResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	size := pageSize(m)
	list, err := s.benefits.ListEvents(ctx, p.Programme, benefits.CatalogQuery{
		Member: member, Region: m.Region, Channel: m.Channel, After: string(cursor), Limit: size + 1,
	})
	if err != nil {
		return nil, err
	}
	programme, err := s.ledger.Programme(ctx, p.Programme)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		next = []byte(list[size-1].Code)
	}
	res := &v1.ListEventsResponse{Events: make([]*v1.Event, len(list))}
	for i := range list {
		res.Events[i] = eventOf(&list[i], programme.Zone)
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func (s *server) GetEvent(ctx context.Context, m *v1.GetEventRequest) (*v1.GetEventResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	event, err := s.benefits.GetEvent(ctx, p.Programme, m.EventId, benefits.CatalogQuery{Member: member, Region: m.Region, Channel: m.Channel})
	if err != nil {
		return nil, err
	}
	programme, err := s.ledger.Programme(ctx, p.Programme)
	if err != nil {
		return nil, err
	}
	return &v1.GetEventResponse{Event: eventOf(&event, programme.Zone)}, nil
}

func eventOf(l *benefits.EventListing, zone *time.Location) *v1.Event {
	t := l.Event
	terms := &v1.EventTerms{
		Type: eventTypes[t.Type], Place: t.Place, Region: t.Region, Zone: t.Starts.Location().String(), StartsAt: timeOf(t.Starts),
		EndsAt: timeOf(t.Ends), Admission: admissions[t.Admission], Guests: int32(t.Guests.Most), FreeGuests: int32(t.Guests.Free),
		FreeUntil: timeOf(t.Starts.Add(-t.Cancel.Free)), KeptPart: t.Cancel.Keep.String(),
	}
	if !l.From.IsZero() {
		terms.BookingFrom = timeOf(l.From)
	}
	if !l.Until.IsZero() {
		terms.BookingUntil = timeOf(l.Until)
	}
	for _, code := range slices.Sorted(maps.Keys(t.Lists)) {
		terms.Lists = append(terms.Lists, &v1.CheckInList{Id: code, Names: t.Lists[code].Names, Reentry: t.Lists[code].Reentry})
	}
	return &v1.Event{Benefit: benefitOf(&l.Listing, zone), Terms: terms, WaitingPlace: int32(l.WaitingPlace)}
}

func bookingOf(b benefits.Booking) *v1.Booking {
	booking := &v1.Booking{
		Id: b.ID.String(), MemberId: b.Member, EventId: b.Event, Seats: int32(b.Seats), Guests: b.Guests,
		Admission: admissions[b.How], State: bookingStates[b.State], AskedAt: timeOf(b.AskedAt), Code: string(b.Code),
	}
	if !b.AnswerBy.IsZero() {
		booking.AnswerBy = timeOf(b.AnswerBy)
	}
	return booking
}

func (s *server) BookEvent(ctx context.Context, m *v1.BookEventRequest) (*v1.BookEventResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	r := asked(p, m.IdempotencyKey)
	r.Channel = m.Channel
	seats := benefits.Seats{Member: member, Event: m.EventId, With: waysToPay[m.PayWith], Region: m.Region, Guests: m.Guests}
	if m.Cash != nil {
		r.Reference = m.Cash.PaymentReference
		seats.Cash.Unit = m.Cash.Unit
		if seats.Cash.Amount, err = decimal.NewFromString(m.Cash.Amount); err != nil {
			return nil, invalidField("cash.amount", "not a decimal number")
		}
	}
	if m.Preview {
		tx, err := s.benefits.PreviewBooking(ctx, p.Programme, seats, r)
		if err != nil {
			return nil, err
		}
		return &v1.BookEventResponse{Transaction: previewOf(tx)}, nil
	}
	booked, err := s.benefits.BookEvent(ctx, p.Programme, seats, r)
	tx, err := answered(ctx, booked.Answer, err)
	if err != nil {
		return nil, err
	}
	return &v1.BookEventResponse{Transaction: tx, Booking: bookingOf(booked.Booking)}, nil
}

func (s *server) CancelBooking(ctx context.Context, m *v1.CancelBookingRequest) (*v1.CancelBookingResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	r := asked(p, m.IdempotencyKey)
	r.Channel = m.Channel
	res := new(v1.CancelBookingResponse)
	var canceled benefits.Cancellation
	if m.Preview {
		if canceled, err = s.benefits.PreviewCancelBooking(ctx, p.Programme, member, parseID(m.BookingId), r); err != nil {
			return nil, err
		}
		res.Transaction = previewOf(canceled.Transaction)
	} else {
		canceled, err = s.benefits.CancelBooking(ctx, p.Programme, member, parseID(m.BookingId), r)
		if res.Transaction, err = answered(ctx, canceled.Answer, err); err != nil {
			return nil, err
		}
	}
	for _, kept := range canceled.Kept {
		res.Kept = append(res.Kept, &v1.Cash{Unit: kept.Unit, Amount: kept.Amount.String()})
	}
	return res, nil
}

func (s *server) JoinWaitingList(ctx context.Context, m *v1.JoinWaitingListRequest) (*v1.JoinWaitingListResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	r := asked(p, m.IdempotencyKey)
	r.Channel = m.Channel
	seats := benefits.Seats{Member: member, Event: m.EventId, With: waysToPay[m.PayWith], Region: m.Region, Guests: m.Guests, Preview: m.Preview}
	if err := s.benefits.JoinWaitingList(ctx, p.Programme, seats, r); err != nil {
		return nil, err
	}
	place, err := s.benefits.WaitingPlace(ctx, p.Programme, m.EventId, member)
	return &v1.JoinWaitingListResponse{WaitingPlace: int32(place)}, err
}

func (s *server) LeaveWaitingList(ctx context.Context, m *v1.LeaveWaitingListRequest) (*v1.LeaveWaitingListResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	return new(v1.LeaveWaitingListResponse), s.benefits.LeaveWaitingList(ctx, p.Programme, m.EventId, member)
}

func (s *server) AcceptOffer(ctx context.Context, m *v1.AcceptOfferRequest) (*v1.AcceptOfferResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	tx, booking, err := s.approve(ctx, benefits.Answering{Booking: parseID(m.BookingId), Member: member}, m.Channel, m.Preview)
	return &v1.AcceptOfferResponse{Transaction: tx, Booking: booking}, err
}

// approve says yes. Nobody but its member is told a ticket's code.
func (s *server) approve(ctx context.Context, a benefits.Answering, channel string, preview bool) (*v1.Transaction, *v1.Booking, error) {
	p := caller(ctx)
	r := asked(p, "")
	r.Channel = channel
	if preview {
		tx, err := s.benefits.PreviewApprove(ctx, p.Programme, a, r)
		if err != nil {
			return nil, nil, err
		}
		return previewOf(tx), nil, nil
	}
	approved, err := s.benefits.Approve(ctx, p.Programme, a, r)
	tx, err := answered(ctx, approved.Answer, err)
	if err != nil {
		return nil, nil, err
	}
	booking := bookingOf(approved.Booking)
	if a.Member == "" {
		booking.Code = ""
	}
	return tx, booking, nil
}

func (s *server) DeclineOffer(ctx context.Context, m *v1.DeclineOfferRequest) (*v1.DeclineOfferResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	r := asked(p, m.IdempotencyKey)
	r.Channel = m.Channel
	tx, err := s.decline(ctx, benefits.Answering{Booking: parseID(m.BookingId), Member: member}, r, m.Preview)
	return &v1.DeclineOfferResponse{Transaction: tx}, err
}

func (s *server) decline(ctx context.Context, a benefits.Answering, r ledger.Request, preview bool) (*v1.Transaction, error) {
	p := caller(ctx)
	if preview {
		tx, err := s.benefits.PreviewDecline(ctx, p.Programme, a, r)
		if err != nil {
			return nil, err
		}
		return previewOf(tx), nil
	}
	answer, err := s.benefits.Decline(ctx, p.Programme, a, r)
	return answered(ctx, answer, err)
}

func (s *server) ListBookings(ctx context.Context, m *v1.ListBookingsRequest) (*v1.ListBookingsResponse, error) {
	p := caller(ctx)
	member, err := memberOf(p, m.MemberId)
	if err != nil {
		return nil, err
	}
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	after, err := readTimeAndID(cursor)
	if err != nil {
		return nil, err
	}
	size := pageSize(m)
	list, err := s.benefits.ListBookings(ctx, p.Programme, member, benefits.BookingCursor{AskedAt: after.at, ID: after.id}, size+1)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		next = timeAndID{list[size-1].AskedAt, list[size-1].ID}.write()
	}
	res := &v1.ListBookingsResponse{Bookings: make([]*v1.Booking, len(list))}
	for i, b := range list {
		res.Bookings[i] = bookingOf(b)
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func (s *server) CheckIn(ctx context.Context, m *v1.CheckInRequest) (*v1.CheckInResponse, error) {
	p := caller(ctx)
	partner, _ := p.Partner()
	checked, err := s.benefits.CheckIn(ctx, p.Programme, benefits.Scan{
		Event: m.EventId, List: m.ListId, Code: m.Code, Nonce: m.Nonce, Partner: partner, Preview: m.Preview,
	}, asked(p, ""))
	if err != nil {
		return nil, err
	}
	return &v1.CheckInResponse{Seats: int32(checked.Booking.Seats), CheckedInAt: timeOf(checked.At), Replayed: checked.Replayed}, nil
}

func (s *server) InviteMembers(ctx context.Context, m *v1.InviteMembersRequest) (*v1.InviteMembersResponse, error) {
	p := caller(ctx)
	return new(v1.InviteMembersResponse), s.benefits.InviteMembers(ctx, p.Programme, m.EventId, m.MemberIds, asked(p, ""), m.Preview)
}

// ListApplications reads one row more than the page has, to know whether another follows. Its cursor is a booking's id.
func (s *server) ListApplications(ctx context.Context, m *v1.ListApplicationsRequest) (*v1.ListApplicationsResponse, error) {
	p := caller(ctx)
	cursor, err := s.pages.cursor(p.Programme, m)
	if err != nil {
		return nil, err
	}
	var after uuid.UUID
	copy(after[:], cursor)
	size := pageSize(m)
	list, err := s.benefits.ListApplications(ctx, p.Programme, m.EventId, after, size+1)
	if err != nil {
		return nil, err
	}
	var next []byte
	if len(list) > size {
		list = list[:size]
		next = list[size-1].ID[:]
	}
	res := &v1.ListApplicationsResponse{Applications: make([]*v1.Booking, len(list))}
	for i, b := range list {
		res.Applications[i] = bookingOf(b)
	}
	res.NextPageToken, err = s.pages.token(p.Programme, m, next)
	return res, err
}

func (s *server) ApproveApplication(ctx context.Context, m *v1.ApproveApplicationRequest) (*v1.ApproveApplicationResponse, error) {
	tx, booking, err := s.approve(ctx, benefits.Answering{Booking: parseID(m.BookingId)}, "", m.Preview)
	return &v1.ApproveApplicationResponse{Transaction: tx, Booking: booking}, err
}

func (s *server) DeclineApplication(ctx context.Context, m *v1.DeclineApplicationRequest) (*v1.DeclineApplicationResponse, error) {
	r := asked(caller(ctx), m.IdempotencyKey)
	r.Reason = m.Reason
	tx, err := s.decline(ctx, benefits.Answering{Booking: parseID(m.BookingId)}, r, m.Preview)
	return &v1.DeclineApplicationResponse{Transaction: tx}, err
}

func (s *server) PublishSeats(ctx context.Context, m *v1.PublishSeatsRequest) (*v1.PublishSeatsResponse, error) {
	q := benefits.Publishing{Benefit: m.EventId, Tier: m.TierId, Segment: m.SegmentId, Rights: int64(m.Seats), Seats: true}
	tx, err := s.publish(ctx, q, asked(caller(ctx), m.IdempotencyKey), m.Preview)
	return &v1.PublishSeatsResponse{Transaction: tx}, err
}

func (s *server) CloseEvent(ctx context.Context, m *v1.CloseEventRequest) (*v1.CloseEventResponse, error) {
	p := caller(ctx)
	closing, err := s.benefits.CloseEvent(ctx, p.Programme, m.EventId, asked(p, ""), m.Preview)
	if err != nil {
		return nil, err
	}
	return &v1.CloseEventResponse{NoShows: int32(closing.NoShows), Lapsed: int32(closing.Lapsed), Frozen: int32(closing.Frozen)}, nil
}
