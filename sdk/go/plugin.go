package grille

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Kind is what a plugin is: the world of plugin.toml.
type Kind string

const (
	KindDetector Kind = "detector"
	KindMasker   Kind = "masker"
	KindPolicy   Kind = "policy"
)

// Plugin is what `grille plugin build` makes a component of: the exported variable Plugin of the plugin's package.
type Plugin struct {
	kind      Kind
	configure func(settingsJSON string) (any, error)
}

// NewDetector makes a plugin of a function that turns settings into a detector. S is what the operator may set, with json
// tags; the JSON Schema that plugin.toml names says the same. The function is called once, before anything else, and must be
// pure: the host may keep a snapshot of the outcome. Its error is one Diagnostic or several, joined with errors.Join.
func NewDetector[S any, D Detector](configure func(settings S) (D, error)) Plugin {
	return Plugin{KindDetector, fromJSON(configure)}
}

// NewMasker makes a plugin of a function that turns settings into a masker; as NewDetector.
func NewMasker[S any, M Masker](configure func(settings S) (M, error)) Plugin {
	return Plugin{KindMasker, fromJSON(configure)}
}

// NewPolicy makes a plugin of a function that turns settings into a policy; as NewDetector.
func NewPolicy[S any, P Policy](configure func(settings S) (P, error)) Plugin {
	return Plugin{KindPolicy, fromJSON(configure)}
}

// Kind is what the plugin is.
func (p Plugin) Kind() Kind {
	return p.kind
}

func fromJSON[S, P any](configure func(S) (P, error)) func(string) (any, error) {
	return func(settingsJSON string) (any, error) {
		var settings S
		if err := decode(settingsJSON, &settings); err != nil {
			return nil, Diagnostic{Message: err.Error()}
		}
		return configure(settings)
	}
}

// decode is strict: the host has checked the settings against the schema, so what does not fit shows that schema and type
// differ, and a setting that is silently ignored could be a rule.
func decode(settingsJSON string, settings any) error {
	decoder := json.NewDecoder(bytes.NewBufferString(settingsJSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(settings); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
