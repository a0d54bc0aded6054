// Package plugin is a detector of ticket numbers: a prefix, a hyphen and five digits.
package plugin

import (
	"regexp"

	"grille"
)

// Plugin is what the gateway runs.
var Plugin = grille.NewDetector(configure)

// The order of [[labels]] in plugin.toml.
const ticketNumber grille.Label = iota

// settings is what the operator sets; settings.schema.json says the same.
type settings struct {
	Prefix string `json:"prefix"`
}

type detector struct {
	number *regexp.Regexp
}

func configure(s settings) (*detector, error) {
	if s.Prefix == "" {
		s.Prefix = "TK"
	}
	number, err := regexp.Compile(`\b` + regexp.QuoteMeta(s.Prefix) + `-[0-9]{5}\b`)
	return &detector{number}, err
}

// Inspect finds every number; regexp counts bytes, as findings do.
func (d *detector) Inspect(cell grille.Cell, out *grille.Findings) error {
	out.AddAll(ticketNumber, d.number.FindAllStringIndex(cell.Text, -1), 800, grille.Separated)
	return nil
}
