// Package plugin is a policy that misbehaves as its settings or its client say: see ../../README.md.
package plugin

import (
	"strings"

	"grille"
)

// Plugin is what the gateway runs.
var Plugin = grille.NewPolicy(configure)

type policy struct {
	settings settings
}

func configure(s settings) (*policy, error) {
	return &policy{s}, s.configured()
}

// Decide does what it is told.
func (p *policy) Decide(exchange *grille.Exchange, action *grille.Action) (grille.Decision, error) {
	misdeed := p.settings.misdeed(exchange)
	if err := commit(misdeed); err != nil {
		return grille.Decision{}, err
	}
	if outside := reached(misdeed); outside != "" {
		return grille.Deny(outside), nil
	}
	switch misdeed {
	case "giant-reason":
		return grille.Deny(strings.Repeat("x", 16<<20)), nil
	case "bad-utf8":
		return grille.Deny("\xff\xfe"), nil
	case "no-decision":
		return grille.Decision{}, nil
	case "no-such-verdict":
		return grille.Decision{Verdict: 77}, nil
	case "keep":
		if kept := keep(action.Text); kept != "" {
			return grille.Denyf("kept: %s", kept), nil
		}
	}
	return grille.Allow(), nil
}
