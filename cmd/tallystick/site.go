package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/auth"
	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/internal/keyring"
	"tallystick/ledger"
)

// site is the whole service in this process: a local database, and an API that listens on loopback. It is what run
// keeps up and what demo plays on.
type site struct {
	*database
	*serving
}

// openSite starts the database in a folder, brings its schema up to date and serves it.
func openSite(ctx context.Context, local devdb.Config, c servingConfig) (*site, error) {
	server, err := devdb.Start(ctx, local)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, server); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	d, err := openDatabase(ctx, server, ledger.New)
	if err != nil {
		return nil, err
	}
	pool, err := d.pool(ctx, db.Options{ByIndex: true})
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	if c.secrets, err = secretsOf(local); err != nil {
		return nil, errors.Join(err, d.close())
	}
	c.environment = "dev" // as token issues them, so that its keys fit
	s, err := startServing(ctx, d.ledger, pools{posting: d.posting, calls: pool, reports: d.reports}, c)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return &site{database: d, serving: s}, nil
}

// secretsOf are those of a local database: a throw-away one has secrets that nobody keeps.
func secretsOf(local devdb.Config) (*keyring.Ring, error) {
	if local.Dir == "" {
		return keyring.New(), nil
	}
	return localKeys(local.Dir)
}

// close lets calls that are under way finish, and stops everything that the site started.
func (s *site) close() error {
	return errors.Join(s.serving.close(), s.database.close())
}

// keyLife is for credentials that are issued anew at every start.
const keyLife = 30 * 24 * time.Hour

// key issues a development credential.
func (s *site) key(ctx context.Context, programme uuid.UUID, role auth.Role, client, subject string) (string, error) {
	return s.keys.Issue(ctx, auth.Grant{Programme: programme, Role: role, Client: client, Subject: subject, Life: keyLife})
}

// bearer sends a credential with every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}
