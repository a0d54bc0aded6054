// Package plugin is a detector that misbehaves as its settings or its client say: see ../../README.md.
package plugin

import "grille"

// Plugin is what the gateway runs.
var Plugin = grille.NewDetector(configure)

// The order of [[labels]] in plugin.toml.
const (
	marked  grille.Label = 0
	unknown grille.Label = 7
)

type detector struct {
	settings settings
	misdeed  string
	isBlind  bool
}

func configure(s settings) (*detector, error) {
	return &detector{settings: s}, s.configured()
}

// Begin looks whether something of another exchange is left; if so, the detector finds nothing, and gives itself away.
func (d *detector) Begin(exchange *grille.Exchange, _ []grille.Field) error {
	d.misdeed = d.settings.misdeed(exchange)
	d.isBlind = d.misdeed == "blind" || d.misdeed == "keep" && keep("planted") != ""
	return nil
}

// Inspect does what it is told.
func (d *detector) Inspect(cell grille.Cell, out *grille.Findings) error {
	if err := commit(d.misdeed); err != nil {
		return err
	}
	end := len(cell.Text)
	switch d.misdeed {
	case "giant-result":
		for range 10_000_000 {
			out.Add(marked, 0, end, 900, grille.Unsupported)
		}
	case "out-of-range":
		out.Add(marked, 0, end+9, 900, grille.Unsupported)
	case "backwards":
		out.Add(marked, end, 0, 900, grille.Unsupported)
	case "unknown-label":
		out.Add(unknown, 0, end, 900, grille.Unsupported)
	default:
		if !d.isBlind {
			out.Add(marked, 0, end, 900, grille.Unsupported)
		}
	}
	return nil
}
