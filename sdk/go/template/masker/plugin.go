// Package plugin is a masker: it keeps the shape of a value and nothing else.
package plugin

import (
	"strings"
	"unicode"

	"grille"
)

// Plugin is what the gateway runs.
var Plugin = grille.NewMasker(configure)

// settings is what the operator sets; settings.schema.json says the same.
type settings struct{}

func configure(settings) (grille.MaskEach, error) {
	return func(cell grille.Cell) (string, error) {
		return strings.Map(shape, cell.Text), nil
	}, nil
}

func shape(character rune) rune {
	switch {
	case unicode.IsUpper(character):
		return 'X'
	case unicode.IsLetter(character):
		return 'x'
	case unicode.IsNumber(character):
		return '0'
	default:
		return character
	}
}
