package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tallystick/internal/devdb"
	"tallystick/internal/keyring"
)

type keysCommand struct {
	New keysNewCommand `cmd:"" help:"Add a new secret at the top of a file, which is made when there is none; the old ones stay good."`
}

type keysNewCommand struct {
	File string `arg:"" help:"The file that serve is given with --key-file."`
}

// Run makes or rotates. Servers read the file when they start.
func (c *keysNewCommand) Run(_ context.Context, s *streams) error {
	id, err := keyring.Add(c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "keep %s secret, give it to every server and job, and never remove a line: vouchers and receipts of its time need it\n", c.File)
	fmt.Fprintln(s.out, id)
	return nil
}

// withKeys is embedded by the commands that issue or read vouchers.
type withKeys struct {
	KeyFile string `env:"TALLYSTICK_KEY_FILE" help:"File of the installation's secrets, the same for every server and job; tallystick keys new makes it." placeholder:"FILE"`
}

// ring reads the secrets. A local database has its own, in a file beside it; of another, nobody may make them up.
func (k withKeys) ring(dir string) (*keyring.Ring, error) {
	switch {
	case k.KeyFile != "":
		return keyring.Read(k.KeyFile)
	case os.Getenv("DATABASE_URL") != "":
		return nil, errors.New("say which secrets the servers of this database have: --key-file FILE")
	}
	return localKeys(dir)
}

// localKeys are the secrets of a local database: they are made with it, and last as long.
func localKeys(dir string) (*keyring.Ring, error) {
	if dir == "" {
		var err error
		if dir, err = devdb.DefaultDir(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return keyring.ReadOrMake(filepath.Join(dir, "keys"))
}
