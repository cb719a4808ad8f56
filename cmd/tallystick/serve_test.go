package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/ledger"
	"tallystick/ledger/ledgertest"
)

const serveProgramme = "programme: served\nzone: UTC\nsandbox: true\nunits: [{code: points, kind: points, scale: 0}]\n"

// served starts `tallystick serve` on a database and returns its address and what stops it.
func served(t *testing.T, url string, args ...string) (address string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- execute(ctx, append([]string{"serve", "--database-url", url, "--listen", "127.0.0.1:0", "--key-file", newKeyFile(t)}, args...), &streams{out: writer, err: io.Discard})
		_ = writer.Close()
	}()
	line := make([]byte, 256)
	n, err := reader.Read(line)
	if err != nil {
		t.Fatalf("serve ended with %d", <-exit)
	}
	_, address, _ = strings.Cut(strings.TrimSpace(string(line[:n])), "serves ")
	return address, func() int { cancel(); return <-exit }
}

// newKeyFile makes secrets as the tool does.
func newKeyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys")
	if code := execute(t.Context(), []string{"keys", "new", file}, &streams{out: io.Discard, err: io.Discard}); code != 0 {
		t.Fatalf("keys new: %d", code)
	}
	return file
}

func call(t *testing.T, address, token, procedure, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/tallystick.v1."+procedure, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func TestServeAnswersWhoHasAKeyOfItsEnvironment(t *testing.T) {
	database := devdb.NewDatabase(t)
	pool := devdb.Open(t, database.URL, db.Options{ByIndex: true})
	l := ledger.New(pool, pool)
	t.Cleanup(l.Close)
	if _, err := l.ApplyProgramme(t.Context(), ledgertest.Application(serveProgramme)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABASE_URL", database.OwnerURL) // token works on the database that it names
	issue := func(environment string) string {
		var out, remarks bytes.Buffer
		if code := execute(t.Context(), []string{"token", "issue", "--environment", environment}, &streams{out: &out, err: &remarks}); code != 0 {
			t.Fatalf("token issue: %d %s", code, remarks.String())
		}
		return strings.TrimSpace(out.String())
	}
	own, other := issue("blue"), issue("green")
	address, stop := served(t, database.URL, "--environment", "blue")
	const body = `{"idempotencyKey":"k","memberId":"m1","unit":"points","amount":"5"}`
	if status, text := call(t, address, own, "LedgerService/Accrue", body); status != http.StatusOK {
		t.Errorf("own key: %d %s", status, text)
	}
	if status, _ := call(t, address, other, "LedgerService/Accrue", body); status != http.StatusUnauthorized {
		t.Errorf("another environment's key: %d", status)
	}
	if status := get(t, address+"/readyz"); status != http.StatusOK {
		t.Errorf("ready: %d", status)
	}
	if code := stop(); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
}

// What token issues and what serve accepts fit without being told, in every place that has a default.
func TestAKeyIssuedByDefaultIsAcceptedByDefault(t *testing.T) {
	database := devdb.NewDatabase(t)
	pool := devdb.Open(t, database.URL, db.Options{ByIndex: true})
	l := ledger.New(pool, pool)
	t.Cleanup(l.Close)
	if _, err := l.ApplyProgramme(t.Context(), ledgertest.Application(serveProgramme)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATABASE_URL", database.OwnerURL)
	var token, remarks bytes.Buffer
	if code := execute(t.Context(), []string{"token", "issue"}, &streams{out: &token, err: &remarks}); code != 0 {
		t.Fatalf("token issue: %d %s", code, remarks.String())
	}
	if !strings.Contains(remarks.String(), `"dev"`) {
		t.Errorf("token does not say for which environment: %s", remarks.String())
	}
	metrics := freeAddress(t)
	address, stop := served(t, database.URL, "--metrics-listen", metrics, "--rate", "system=0.001")
	const body = `{"idempotencyKey":"k","memberId":"m1","unit":"points","amount":"5"}`
	slow := []int{http.StatusOK, http.StatusTooManyRequests} // one call in a quarter of an hour, so the first passes
	for i, want := range slow {
		if status, text := call(t, address, strings.TrimSpace(token.String()), "LedgerService/Accrue", body); status != want {
			t.Errorf("call %d of a thousandth a second: %d %s", i+1, status, text)
		}
	}
	if status := get(t, address+"/metrics"); status != http.StatusNotFound {
		t.Errorf("metrics beside the API: %d", status)
	}
	if status := get(t, "http://"+metrics+"/metrics"); status != http.StatusOK {
		t.Errorf("metrics at their own address: %d", status)
	}
	if code := stop(); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
	address, stop = served(t, database.URL)
	if status, text := call(t, address, strings.TrimSpace(token.String()), "LedgerService/Accrue", body); status != http.StatusOK {
		t.Errorf("a key by default: %d %s", status, text)
	}
	stop()
}

// freeAddress is where nobody listens at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestServeRefusesARateThatIsNone(t *testing.T) {
	url := devdb.NewDatabase(t).URL
	for _, rate := range []string{"nobody=1", "member=0", "member=-1"} {
		var remarks bytes.Buffer
		code := execute(t.Context(), []string{"serve", "--database-url", url, "--key-file", newKeyFile(t), "--rate", rate}, &streams{out: io.Discard, err: &remarks})
		if code != 1 || !strings.Contains(remarks.String(), "rate:") {
			t.Errorf("%s: %d %s", rate, code, remarks.String())
		}
	}
}

func TestServeRefusesAnOlderSchemaAndAStrongerRole(t *testing.T) {
	for name, c := range map[string]struct{ url, says string }{
		"no schema":     {devdb.NewEmpty(t).OwnerURL, "tallystick migrate"},
		"the owner":     {devdb.NewDatabase(t).OwnerURL, "may change the journal"},
		"not a URL":     {"host=", "tallystick:"},
		"no such place": {"postgres://nobody@127.0.0.1:1/none", "unavailable"},
	} {
		var remarks bytes.Buffer
		code := execute(t.Context(), []string{"serve", "--database-url", c.url, "--key-file", newKeyFile(t)}, &streams{out: io.Discard, err: &remarks})
		if code != 1 || !strings.Contains(remarks.String(), c.says) {
			t.Errorf("%s: %d %s", name, code, remarks.String())
		}
	}
}

func TestServeRefusesAFileWithoutKeys(t *testing.T) {
	file := t.TempDir() + "/key"
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	var remarks bytes.Buffer
	args := []string{"serve", "--database-url", devdb.NewDatabase(t).URL, "--key-file", file}
	if code := execute(t.Context(), args, &streams{out: io.Discard, err: &remarks}); code != 1 || !strings.Contains(remarks.String(), "line 1") {
		t.Errorf("%d %s", code, remarks.String())
	}
}
