package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// published reads the schema with a library that is not ours.
func published(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const name = "programme.schema.json"
	text := run(t, "schema")
	file, err := os.ReadFile("../../docs/" + name)
	if err != nil || string(file) != text {
		t.Fatalf("docs/%s is not what tallystick schema prints; make schema writes it: %v", name, err)
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, parsed); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile(name)
}

func TestThePublishedSchemaTakesEveryExampleAndNoMisspeltOne(t *testing.T) {
	t.Parallel()
	s := published(t)
	text, err := os.ReadFile("demo/programme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, example := range map[string]string{"the demonstration": string(text), "of the test of apply": applyProgramme} {
		if err := validate(t, s, example); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for was, is := range map[string]string{
		"scale: 2": "scal: 2", "kind: offer": "kind: offers", "code: tea-tasting\n    kind": "kode: tea-tasting\n    kind",
		"points: 200": "points: -200", "scale: 0": "scale: 0.5", "partners:": "partner:", "zone: Asia/Shanghai\n": "", "sandbox: true": "sandbox: very",
	} {
		wrong := strings.Replace(string(text), was, is, 1)
		if err := validate(t, s, wrong); err == nil || wrong == string(text) {
			t.Errorf("%s is taken", is)
		}
	}
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var document any
	if err := yaml.NewDecoder(bytes.NewReader([]byte(text))).Decode(&document); err != nil {
		t.Fatal(err)
	}
	return s.Validate(document)
}
