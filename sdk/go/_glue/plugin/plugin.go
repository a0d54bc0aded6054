// Package plugin keeps the author's plugin and its session. An instance is one plugin, configured once, and has one thread.
package plugin

import (
	"errors"

	"grille"
	"wit_component/grille_plugin_types"
	author "{{module}}"
)

var session *grille.Session

// Configure opens the session.
func Configure(settingsJSON string) []grille.Diagnostic {
	opened, diagnostics := grille.Open(author.Plugin, settingsJSON)
	session = opened
	return diagnostics
}

// Session is the open session.
func Session() (*grille.Session, error) {
	if session == nil {
		return nil, errors.New("called before configure")
	}
	return session, nil
}

// Failure is an error in the interface's shape.
func Failure(err error) grille_plugin_types.Failure {
	return grille_plugin_types.Failure{Message: err.Error()}
}

// Block is the interface's block, checked.
func Block(cells grille_plugin_types.Block) (*grille.Block, error) {
	return grille.NewBlock(cells.Rows, cells.Fields, cells.Offsets, cells.Data)
}

// Attributes are the interface's attributes in the SDK's shape.
func Attributes(from []grille_plugin_types.Attribute) []grille.Attribute {
	to := make([]grille.Attribute, len(from))
	for i, attribute := range from {
		to[i] = grille.Attribute(attribute)
	}
	return to
}
