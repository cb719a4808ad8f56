package rpc

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/ledger"
)

// Cursors are fixed-size. The page token's MAC vouches for them, so one that cannot be read is our own mistake.

func writeCursor(c ledger.Cursor) []byte {
	data := binary.BigEndian.AppendUint64(nil, uint64(c.RecordedAt.UnixMicro()))
	return binary.BigEndian.AppendUint64(data, uint64(c.Seq))
}

func readCursor(data []byte) (ledger.Cursor, error) {
	if data == nil {
		return ledger.Cursor{}, nil
	}
	if len(data) != 16 {
		return ledger.Cursor{}, fmt.Errorf("cursor of %d bytes", len(data))
	}
	return ledger.Cursor{
		RecordedAt: time.UnixMicro(int64(binary.BigEndian.Uint64(data))).UTC(),
		Seq:        int64(binary.BigEndian.Uint64(data[8:])),
	}, nil
}

// timeAndID is the cursor of lists that are ordered by a time and, within it, by an id.
type timeAndID struct {
	at time.Time
	id uuid.UUID
}

func (c timeAndID) write() []byte {
	data := binary.BigEndian.AppendUint64(nil, uint64(c.at.UnixMicro()))
	return append(data, c.id[:]...)
}

func readTimeAndID(data []byte) (timeAndID, error) {
	if data == nil {
		return timeAndID{}, nil
	}
	if len(data) != 24 {
		return timeAndID{}, fmt.Errorf("cursor of %d bytes", len(data))
	}
	return timeAndID{time.UnixMicro(int64(binary.BigEndian.Uint64(data))).UTC(), uuid.UUID(data[8:])}, nil
}

// legCursor is the cursor of lists of legs.
type legCursor struct {
	transaction uuid.UUID
	leg         int16
}

func (c legCursor) write() []byte {
	return binary.BigEndian.AppendUint16(append([]byte(nil), c.transaction[:]...), uint16(c.leg))
}

func readLegCursor(data []byte) (legCursor, error) {
	if data == nil {
		return legCursor{}, nil
	}
	if len(data) != 18 {
		return legCursor{}, fmt.Errorf("cursor of %d bytes", len(data))
	}
	return legCursor{uuid.UUID(data[:16]), int16(binary.BigEndian.Uint16(data[16:]))}, nil
}
