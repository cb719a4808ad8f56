package rpc

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"tallystick/internal/document"
	"tallystick/ledger"
	v1 "tallystick/proto/tallystick/v1"
)

func (s *server) ApplyProgramme(ctx context.Context, m *v1.ApplyProgrammeRequest) (*v1.ApplyProgrammeResponse, error) {
	p := caller(ctx)
	applied, err := s.benefits.ApplyProgramme(ctx, ledger.Application{
		Document: []byte(m.Document), By: p.Holder(), Of: p.Programme, After: m.ExpectedVersion, Preview: m.Preview,
	})
	if err != nil {
		return nil, err
	}
	res := &v1.ApplyProgrammeResponse{
		Version: versionOf(&applied.Record), Changes: make([]*v1.DocumentChange, len(applied.Changes)),
		Publishes: make([]*v1.Publication, len(applied.Publishes)),
	}
	for i, c := range applied.Changes {
		res.Changes[i] = &v1.DocumentChange{Kind: changeKinds[c.Kind], Path: c.Path, From: c.From, To: c.To}
	}
	for i, u := range applied.Publishes {
		res.Publishes[i] = &v1.Publication{BenefitId: u.Benefit, Name: u.Name, Tier: u.Tier, Amount: u.Amount.String()}
	}
	return res, nil
}

func (s *server) GetProgramme(ctx context.Context, m *v1.GetProgrammeRequest) (*v1.GetProgrammeResponse, error) {
	version, text, err := s.ledger.ReadVersion(ctx, caller(ctx).Programme, m.Version)
	if err != nil {
		return nil, err
	}
	return &v1.GetProgrammeResponse{Version: versionOf(&version), Document: string(text)}, nil
}

// ListProgrammeVersions needs no look ahead: versions are counted down to 1, without a gap.
func (s *server) ListProgrammeVersions(ctx context.Context, m *v1.ListProgrammeVersionsRequest) (*v1.ListProgrammeVersionsResponse, error) {
	programme := caller(ctx).Programme
	cursor, err := s.pages.cursor(programme, m)
	if err != nil {
		return nil, err
	}
	before, err := readVersionCursor(cursor)
	if err != nil {
		return nil, err
	}
	list, err := s.ledger.ListVersions(ctx, programme, before, pageSize(m))
	if err != nil {
		return nil, err
	}
	res := &v1.ListProgrammeVersionsResponse{Versions: make([]*v1.ProgrammeVersion, len(list))}
	var next []byte
	for i := range list {
		res.Versions[i] = versionOf(&list[i])
		if last := list[i].Number; i == len(list)-1 && last > 1 {
			next = binary.BigEndian.AppendUint64(nil, uint64(last))
		}
	}
	res.NextPageToken, err = s.pages.token(programme, m, next)
	return res, err
}

func readVersionCursor(data []byte) (int64, error) {
	if data == nil {
		return 0, nil
	}
	if len(data) != 8 {
		return 0, fmt.Errorf("cursor of %d bytes", len(data))
	}
	return int64(binary.BigEndian.Uint64(data)), nil
}

var changeKinds = map[document.ChangeKind]v1.ChangeKind{
	document.Added:   v1.ChangeKind_CHANGE_KIND_ADDED,
	document.Removed: v1.ChangeKind_CHANGE_KIND_REMOVED,
	document.Changed: v1.ChangeKind_CHANGE_KIND_CHANGED,
}

func versionOf(v *ledger.Version) *v1.ProgrammeVersion {
	return &v1.ProgrammeVersion{
		Version: v.Number, AppliedAt: timeOf(v.AppliedAt), AppliedBy: v.AppliedBy, Hash: hex.EncodeToString(v.Hash),
	}
}

// maxMistakes bounds what a refusal tells of a document, in bytes: gRPC sends it in a header.
const maxMistakes = 16 << 10

// invalidDocument is the refusal of a document with its mistakes.
func invalidDocument(wrong *document.InvalidError) *refusal {
	detail := new(v1.InvalidDocument)
	size := 0
	for _, m := range wrong.Mistakes {
		mistake := &v1.DocumentMistake{Line: int32(m.Line), Path: m.Path, Problem: m.Problem, Fix: m.Fix}
		if size += proto.Size(mistake); size > maxMistakes {
			break
		}
		detail.Mistakes = append(detail.Mistakes, mistake)
	}
	no := refuse(connect.CodeInvalidArgument, reasonInvalidDocument).with("mistakes", strconv.Itoa(len(wrong.Mistakes)))
	no.detail = detail
	return no
}
