package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
)

// caller is one client's connection. It writes its requests itself: net/http's client would cost more than the server
// that is measured, on the same two cores.
type caller struct {
	conn   net.Conn
	reader *bufio.Reader
	head   string // of every request, after its first line and up to the length of its body
	buffer []byte
	body   []byte
	answer bytes.Buffer
}

// dial connects to a server and says what every request says of itself.
func dial(ctx context.Context, address, contentType, authorization string) (*caller, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("bench: connect: %w", err)
	}
	head := " HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: " + contentType + "\r\n"
	if authorization != "" {
		head += "Authorization: " + authorization + "\r\n"
	}
	return &caller{conn: conn, reader: bufio.NewReader(conn), head: head + "Content-Length: "}, nil
}

// patience is how long an answer may take before the run fails.
const patience = 30 * time.Second

// send makes one request and returns its answer, which is valid until the next.
func (c *caller) send(method, path string, body []byte, headers ...string) (status int, answer []byte, err error) {
	b := append(c.buffer[:0], method...)
	b = append(append(append(b, ' '), path...), c.head...)
	b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	for _, h := range headers {
		b = append(append(b, h...), "\r\n"...)
	}
	b = append(append(b, "\r\n"...), body...)
	c.buffer = b
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, fmt.Errorf("bench: %w", err)
	}
	if _, err := c.conn.Write(b); err != nil {
		return 0, nil, fmt.Errorf("bench: %w", err)
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("bench: read answer: %w", err)
	}
	c.answer.Reset()
	_, err = c.answer.ReadFrom(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil && !errors.Is(err, io.EOF) {
		return 0, nil, fmt.Errorf("bench: read answer: %w", err)
	}
	return res.StatusCode, c.answer.Bytes(), nil
}

// call makes a Connect call. Anything but success fails the run.
func (c *caller) call(procedure string, request, response proto.Message) error {
	var err error
	if c.body, err = (proto.MarshalOptions{}).MarshalAppend(c.body[:0], request); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	status, answer, err := c.send(http.MethodPost, procedure, c.body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return &refused{procedure, status, slices.Clone(answer)}
	}
	if err := proto.Unmarshal(answer, response); err != nil {
		return fmt.Errorf("bench: %s: %w", procedure, err)
	}
	return nil
}

// refused is an answer that is no success.
type refused struct {
	procedure string
	status    int
	answer    []byte
}

func (r *refused) Error() string {
	return fmt.Sprintf("bench: %s answered %d: %s", r.procedure, r.status, r.answer)
}

// try is call for what may be refused: it returns the reason, which is empty for success.
func (c *caller) try(procedure string, request, response proto.Message) (reason string, err error) {
	var no *refused
	if err = c.call(procedure, request, response); !errors.As(err, &no) {
		return "", err
	}
	var failure struct {
		Details []struct{ Type, Value string }
	}
	if json.Unmarshal(no.answer, &failure) != nil {
		return "", err
	}
	for _, detail := range failure.Details {
		var info errdetails.ErrorInfo
		value, decodeErr := base64.RawStdEncoding.DecodeString(detail.Value)
		if detail.Type == "google.rpc.ErrorInfo" && decodeErr == nil && proto.Unmarshal(value, &info) == nil {
			return info.Reason, nil
		}
	}
	return "", err
}
