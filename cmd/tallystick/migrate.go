package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tallystick/internal/db"
	"tallystick/internal/devdb"
	"tallystick/migrations"
)

type migrateCommand struct {
	onDatabase
}

// Run applies what is missing; it may run on many machines at once. It logs in as the owner of the tables and as nobody
// else: that role need not be able to become the one that serves.
func (c *migrateCommand) Run(ctx context.Context, s *streams) error {
	server, err := c.start(ctx)
	if err != nil {
		return err
	}
	if err := migrate(ctx, server); err != nil {
		return errors.Join(err, server.Stop())
	}
	fmt.Fprintf(s.out, "schema is up to date on %s\n", server.Engine())
	return server.Stop()
}

func migrate(ctx context.Context, server *devdb.Server) error {
	owner, err := db.Open(ctx, server.URL(""), db.Options{Application: "tallystick migrate", StatementTimeout: time.Hour})
	if err != nil {
		return err
	}
	defer owner.Close()
	_, err = migrations.Apply(ctx, owner)
	return err
}
