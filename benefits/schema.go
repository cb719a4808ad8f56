package benefits

import (
	"tallystick/internal/document"
	"tallystick/ledger"
	"tallystick/partners"
)

// Schema is the JSON Schema of a programme's document, all of its sections, for editors to complete and check it by. It
// says no more than their shape: what refers to what is checked when a document is applied.
func Schema() ([]byte, error) {
	return document.Schema("A Tallystick programme", ledger.Shape(), partners.Shape(), benefitsDocument{})
}
