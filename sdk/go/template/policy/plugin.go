// Package plugin is a policy: it denies dropping, and whatever touches what the settings list.
package plugin

import (
	"slices"

	"grille"
)

// Plugin is what the gateway runs.
var Plugin = grille.NewPolicy(configure)

// settings is what the operator sets; settings.schema.json says the same.
type settings struct {
	Denied []string `json:"denied"`
}

type policy struct {
	denied []string
}

func configure(s settings) (*policy, error) {
	if slices.Contains(s.Denied, "") {
		return nil, grille.Diagnostic{Pointer: "/denied", Message: "an empty name fits nothing"}
	}
	return &policy{s.Denied}, nil
}

// Decide denies for the first object that may not be touched so.
func (p *policy) Decide(_ *grille.Exchange, action *grille.Action) (grille.Decision, error) {
	for _, object := range action.Objects {
		if object.Access == "drop" {
			return grille.Denyf("%s would remove %s for good", action.Kind, object.Name), nil
		}
		if slices.Contains(p.denied, object.Name) {
			return grille.Denyf("%s may not be touched", object.Name), nil
		}
	}
	return grille.Allow(), nil
}
