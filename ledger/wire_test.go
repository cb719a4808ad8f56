package ledger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
)

// fault is what a wire can do to one statement.
type fault string

const (
	// cutBefore breaks the connection instead of sending the statement: a COMMIT that never left.
	cutBefore fault = "connection lost before"
	// cutAfter lets the server run the statement and breaks the connection instead of passing its answer on: a COMMIT
	// that took effect and that nobody heard of.
	cutAfter fault = "answer lost"
	// conflict and deadlock make the server itself raise the error in the statement's place.
	conflict fault = "40001"
	deadlock fault = "40P01"
)

// stalled lets the server run the statement, and then nothing arrives any more though the connection stands. It is not
// among the faults of a storm, because it takes as long as a transaction may.
const stalled fault = "stalled"

var faults = []fault{cutBefore, cutAfter, conflict, deadlock}

// wire stands between a pool and its server, reads what both say, and breaks what it is told to. It works on the
// protocol: neither our code nor the driver nor the server knows of it.
type wire struct {
	mu      sync.Mutex
	states  map[string]int // SQLSTATEs that the server answered of its own accord
	counted bool           // statements are being counted
	trace   []string       // what was counted
	at      int            // the statement to break, or -1
	with    fault
	meeting *meeting
	ending  bool // the next fault is the end of all connections
	down    bool
	chance  float64 // breaks statements at random
	random  *rand.Rand
	done    map[fault]int
	// hit counts faults by the first words of the statement that they met.
	hit map[string]map[fault]int
}

func newWire() *wire {
	return &wire{at: -1, states: make(map[string]int), done: make(map[fault]int), hit: make(map[string]map[fault]int)}
}

// count starts to number statements from 0, and breaks the one numbered at; none when at is negative.
func (w *wire) count(at int, with fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted, w.trace, w.at, w.with = true, nil, at, with
}

// endAt makes the fault at one statement the end of the database: no connection can be made any more, until up.
func (w *wire) endAt(at int, with fault) {
	w.count(at, with)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending = true
}

func (w *wire) up() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending, w.down = false, false
}

// counts ends the counting and returns the statements since its start.
func (w *wire) counts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted, w.at = false, -1
	return w.trace
}

// storm breaks each statement with some probability, by any fault, until the probability is set to 0.
func (w *wire) storm(chance float64, seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chance, w.random = chance, rand.New(rand.NewPCG(seed, seed))
}

// meeting holds connections that are about to insert until all who are expected have come.
type meeting struct {
	missing int
	all     chan struct{}
}

// meet lets the next n connections that insert something do so at the same moment.
func (w *wire) meet(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meeting = &meeting{missing: n, all: make(chan struct{})}
}

func (w *wire) wait(sql string) {
	w.mu.Lock()
	m := w.meeting
	if m == nil || !strings.HasPrefix(strings.TrimSpace(sql), "INSERT") {
		w.mu.Unlock()
		return
	}
	if m.missing--; m.missing == 0 {
		w.meeting = nil
		close(m.all)
	}
	w.mu.Unlock()
	<-m.all
}

func (w *wire) seen(state string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.states[state]
}

// happened returns how often each fault was done.
func (w *wire) happened() map[fault]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make(map[fault]int, len(w.done))
	for f, n := range w.done {
		list[f] = n
	}
	return list
}

// everyFaultAt reports whether a statement has met every fault.
func (w *wire) everyFaultAt(statement string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.hit[statement]) == len(faults)
}

// decide says what happens to the next statement: "" for nothing.
func (w *wire) decide(sql string) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	var f fault
	if w.down {
		return cutBefore // on a connection that was open before
	}
	if w.counted {
		if len(w.trace) == w.at {
			f = w.with
		}
		w.trace = append(w.trace, title(sql))
	}
	if f == "" && w.chance > 0 && w.random.Float64() < w.chance {
		f = faults[w.random.IntN(len(faults))]
	}
	if f == "" {
		return ""
	}
	w.done[f]++
	w.down = w.down || w.ending
	if w.hit[title(sql)] == nil {
		w.hit[title(sql)] = make(map[fault]int)
	}
	w.hit[title(sql)][f]++
	return f
}

// title is what a statement does to what: its first words.
func title(sql string) string {
	words := strings.Fields(sql)
	from := 0
	if len(words) > 3 && words[0] == "SELECT" {
		for i, word := range words {
			if word == "FROM" {
				from = i
				break
			}
		}
		return strings.Join(append([]string{words[0], words[1]}, words[from:min(from+2, len(words))]...), " ")
	}
	return strings.Join(words[:min(3, len(words))], " ")
}

// dial is the DialFunc of pools on this wire.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: network, Err: io.ErrClosedPipe}
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: conn, wire: w, prepared: make(map[string]string)}, nil
}

// wireConn is one connection. What the client writes arrives in whole messages of the protocol, but for the first.
type wireConn struct {
	net.Conn
	wire *wire

	mu       sync.Mutex
	started  bool              // the first message, which has no type, is through
	prepared map[string]string // statement name → SQL
	bound    string            // SQL of the portal that was bound last
	waiting  []answer          // what the server still has to answer, in order
	dead     bool
	silent   bool // stalled

	reading    sync.Mutex
	fromServer []byte // read, not yet understood
	toClient   []byte // understood, not yet handed on
}

// answer is one thing that the server will answer: a statement's completion, or the ReadyForQuery of a Sync.
type answer struct {
	what stage
	// lost cuts the connection instead of passing it on; stalls keeps it and everything after it.
	lost, stalls bool
}

type stage int

const (
	completion stage = iota
	ready
	raised         // the error that stands here was asked for by us, after a Parse and a Bind of our own
	raisedAlone    // the same in place of a simple query, with a ReadyForQuery that is not passed on
	hiddenRollback // of the ROLLBACK that we send behind it: a transaction is over when its BEGIN or COMMIT fails
)

func (c *wireConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return 0, io.ErrClosedPipe
	}
	if !c.started {
		c.started = true
		return c.Conn.Write(b)
	}
	out, group := make([]byte, 0, len(b)), []byte(nil) // group: what belongs to the statement that comes next
	for rest := b; len(rest) > 0; {
		size := 1 + int(binary.BigEndian.Uint32(rest[1:]))
		message := rest[:size]
		rest = rest[size:]
		group = append(group, message...)
		body := message[5:]
		switch message[0] {
		case 'P':
			name, sql := text(body)
			c.prepared[name], _ = text(sql)
		case 'B':
			_, statement := text(body)
			name, _ := text(statement)
			c.bound = c.prepared[name]
		case 'E', 'Q':
			simple := message[0] == 'Q'
			sql := c.bound
			if simple {
				sql, _ = text(body)
			}
			group = c.send(sql, simple, group)
			if c.dead {
				_, _ = c.Conn.Write(out)
				_ = c.Conn.Close()
				return 0, io.ErrUnexpectedEOF
			}
		case 'S':
			c.waiting = append(c.waiting, answer{what: ready})
		case 'p', 'X', 'D', 'H', 'C':
		default:
			panic(fmt.Sprintf("wire: the client sends %q", message[0]))
		}
		if message[0] != 'P' && message[0] != 'B' && message[0] != 'D' {
			out, group = append(out, group...), nil
		}
	}
	out = append(out, group...)
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// send decides about one statement and returns what goes to the server for it.
func (c *wireConn) send(sql string, simple bool, group []byte) []byte {
	c.wire.wait(sql)
	a := answer{what: completion}
	switch f := c.wire.decide(sql); f {
	case cutBefore:
		c.dead = true
		return nil
	case cutAfter:
		a.lost = true
	case stalled:
		a.stalls = true
	case conflict, deadlock:
		a.what = raised
		if simple {
			a.what = raisedAlone
		}
		group = raise(string(f), simple)
	}
	c.waiting = append(c.waiting, a)
	if simple {
		c.waiting = append(c.waiting, answer{what: ready})
	}
	return group
}

// raise makes the server raise an error, in whatever transaction is open.
func raise(state string, simple bool) []byte {
	sql := fmt.Sprintf("DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '%s'; END $$", state)
	if simple {
		return append(message('Q', sql+"\x00"), message('Q', "ROLLBACK\x00")...)
	}
	b := message('P', "\x00"+sql+"\x00\x00\x00")
	b = append(b, message('B', "\x00\x00\x00\x00\x00\x00\x00\x00")...)
	return append(b, message('E', "\x00\x00\x00\x00\x00")...)
}

func message(kind byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return append(b, body...)
}

func text(b []byte) (string, []byte) {
	i := bytes.IndexByte(b, 0)
	return string(b[:i]), b[i+1:]
}

func (c *wireConn) Read(b []byte) (int, error) {
	c.reading.Lock() // while pgx still reads ahead, it may drain what it is closing
	defer c.reading.Unlock()
	for len(c.toClient) == 0 {
		chunk := make([]byte, 16<<10)
		n, err := c.Conn.Read(chunk)
		if n == 0 {
			return 0, err
		}
		c.fromServer = append(c.fromServer, chunk[:n]...)
		if !c.understand() && len(c.toClient) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(b, c.toClient)
	c.toClient = c.toClient[n:]
	return n, nil
}

// understand moves whole messages to the client's side, and reports false when the connection was cut.
func (c *wireConn) understand() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.fromServer) >= 5 {
		size := 1 + int(binary.BigEndian.Uint32(c.fromServer[1:]))
		if len(c.fromServer) < size {
			return true
		}
		m := c.fromServer[:size]
		c.fromServer = c.fromServer[size:]
		pass, cut := c.receive(m)
		if cut {
			c.dead = true
			_ = c.Conn.Close()
			return false
		}
		if pass && !c.silent {
			c.toClient = append(c.toClient, m...)
		}
	}
	return true
}

// receive follows the server's answers and says whether one is passed on, or is where the connection ends.
func (c *wireConn) receive(m []byte) (pass, cut bool) {
	if len(c.waiting) == 0 {
		return true, false // the start of the session, and notices
	}
	next := &c.waiting[0]
	switch m[0] {
	case '1', '2': // those of our own statement come at its turn
		return next.what != raised, false
	case 'C', 'I', 's':
		if next.lost {
			return false, true
		}
		c.silent = c.silent || next.stalls
		pass = next.what != hiddenRollback
		c.waiting = c.waiting[1:]
		return pass, false
	case 'E':
		if next.what == completion || next.what == ready {
			c.wire.note(m)
		}
	case 'N':
		return next.what != hiddenRollback, false
	case 'Z':
		if next.what == raisedAlone {
			next.what = hiddenRollback
			return false, false
		}
		for c.waiting[0].what != ready { // after an error the server skips everything up to the Sync
			c.waiting = c.waiting[1:]
		}
		c.waiting = c.waiting[1:]
	}
	return true, false
}

// note counts an error that the server answered of its own accord.
func (w *wire) note(m []byte) {
	for fields := m[5:]; len(fields) > 0 && fields[0] != 0; {
		value, rest := text(fields[1:])
		if fields[0] == 'C' {
			w.mu.Lock()
			w.states[value]++
			w.mu.Unlock()
		}
		fields = rest
	}
}
