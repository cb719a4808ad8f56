package document

import (
	"encoding/json"
	"reflect"
)

// schema is the part of JSON Schema that declarations need.
type schema struct {
	Dialect     string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Minimum     *int               `json:"minimum,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	// Additional is false, or what names that the document chooses stand for.
	Additional any `json:"additionalProperties,omitempty"`
}

// Schema is the JSON Schema (2020-12) of a document whose sections the given structs declare, as indented JSON.
func Schema(title string, declarations ...any) ([]byte, error) {
	whole := &schema{Dialect: "https://json-schema.org/draft/2020-12/schema", Title: title, Type: "object", Properties: make(map[string]*schema), Additional: false}
	for _, d := range declarations {
		part := schemaOf(reflect.TypeOf(d))
		for name, property := range part.Properties {
			whole.Properties[name] = property
		}
		whole.Required = append(whole.Required, part.Required...)
	}
	text, err := json.MarshalIndent(whole, "", "  ")
	return append(text, '\n'), err
}

// schemaOf describes a type. A scalar may also be left empty, as Decode takes it. Text may be written as a number, which YAML
// makes of a code of digits.
func schemaOf(t reflect.Type) *schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if enum, ok := reflect.Zero(t).Interface().(Enum); ok {
		return &schema{Type: "string", Enum: enum.Values()}
	}
	switch t.Kind() {
	case reflect.Struct:
		s := &schema{Type: "object", Properties: make(map[string]*schema), Additional: false}
		fields, _ := fieldsOf(t)
		for _, f := range fields {
			property := schemaOf(f.kind)
			property.Description = f.doc
			s.Properties[f.name] = property
			if f.required {
				s.Required = append(s.Required, f.name)
			}
		}
		return s
	case reflect.Map:
		return &schema{Type: "object", Additional: schemaOf(t.Elem())}
	case reflect.Slice:
		return &schema{Type: "array", Items: schemaOf(t.Elem())}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.String:
		if t == reflect.TypeFor[Amount]() {
			return &schema{Type: []string{"number", "string"}, Pattern: plainAmount.String(), Minimum: new(int)}
		}
		return &schema{Type: []string{"string", "number"}}
	default:
		return &schema{Type: "integer"}
	}
}
