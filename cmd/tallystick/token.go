package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tallystick/internal/auth"
	"tallystick/internal/db"
)

type tokenCommand struct {
	Issue  tokenIssueCommand  `cmd:"" help:"Issue a key and print it, this once. A client's third live key revokes its oldest."`
	Revoke tokenRevokeCommand `cmd:"" help:"End a key. Servers believe it for five more seconds at most."`
}

type tokenIssueCommand struct {
	onProgramme
	Role        string        `help:"What the key may do: system, member, merchant, finance or operator." enum:"system,member,merchant,finance,operator" default:"system"`
	Client      string        `help:"The program that will use the key; it scopes idempotency keys." default:"dev"`
	Subject     string        `help:"The member of a member's key, the partner or partner/outlet of a merchant's." placeholder:"NAME"`
	Environment string        `help:"The environment of the servers that accept the key, as serve was told." default:"dev"`
	Life        time.Duration `help:"How long the key lives." default:"720h"`
}

func (c *tokenIssueCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database, programme uuid.UUID) error {
		if _, err := d.ledger.State(ctx, programme); err != nil {
			return fmt.Errorf("programme %s: %w", c.Programme, err)
		}
		pool, err := d.pool(ctx, db.Options{})
		if err != nil {
			return err
		}
		token, err := auth.NewKeys(pool, c.Environment).Issue(ctx, auth.Grant{
			Programme: programme, Role: auth.Role(c.Role), Client: c.Client, Subject: c.Subject, Life: c.Life,
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(s.err, "a key of role %s for servers of the environment %q, which lives for %s\n", c.Role, c.Environment, c.Life)
		fmt.Fprintln(s.out, token)
		return nil
	})
}

type tokenRevokeCommand struct {
	onDatabase
	ID string `arg:"" help:"The key's public part: the ten symbols after the environment."`
}

func (c *tokenRevokeCommand) Run(ctx context.Context, s *streams) error {
	return c.with(ctx, func(d *database) error {
		pool, err := d.pool(ctx, db.Options{})
		if err != nil {
			return err
		}
		if err := auth.NewKeys(pool, "").Revoke(ctx, c.ID); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "key %s is revoked\n", c.ID)
		return nil
	})
}
