// Package plugin is a policy: it denies changes to the tables it is told to protect.
package plugin

import (
	"slices"
	"strings"

	"grille"
)

// Plugin is what the gateway runs.
var Plugin = grille.NewPolicy(configure)

// protectedByDefault is what may only be read unless the operator says otherwise.
var protectedByDefault = []string{"audit_log"}

// settings is what the operator sets; settings.schema.json says the same.
type settings struct {
	Protected []string `json:"protected"`
}

type policy struct {
	protected []string
}

func configure(s settings) (*policy, error) {
	if s.Protected == nil {
		s.Protected = protectedByDefault
	}
	if slices.Contains(s.Protected, "") {
		return nil, grille.Diagnostic{Pointer: "/protected", Message: "an empty name fits nothing"}
	}
	return &policy{s.Protected}, nil
}

// Decide denies for the first protected table that would be changed.
func (p *policy) Decide(_ *grille.Exchange, action *grille.Action) (grille.Decision, error) {
	for _, object := range action.Objects {
		table := object.Name[strings.LastIndexByte(object.Name, '.')+1:]
		if object.Access != "read" && slices.Contains(p.protected, table) {
			return grille.Denyf("%s may only be read", table), nil
		}
	}
	return grille.Allow(), nil
}
