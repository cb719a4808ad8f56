package main

import "tallystick/benefits"

type schemaCommand struct{}

// Run prints the schema; docs/programme.schema.json is a copy of it.
func (*schemaCommand) Run(s *streams) error {
	text, err := benefits.Schema()
	if err != nil {
		return err
	}
	_, err = s.out.Write(text)
	return err
}
