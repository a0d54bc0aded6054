// Package export_grille_plugin_masker is what a masker exports.
package export_grille_plugin_masker

import (
	"grille"
	"wit_component/grille_plugin_types"
	"wit_component/plugin"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Mask is the interface's function of that name.
func Mask(cells grille_plugin_types.Block) witTypes.Result[grille_plugin_types.Edits, grille_plugin_types.Failure] {
	edits, err := mask(cells)
	if err != nil {
		return witTypes.Err[grille_plugin_types.Edits](plugin.Failure(err))
	}
	return witTypes.Ok[grille_plugin_types.Edits, grille_plugin_types.Failure](grille_plugin_types.Edits(*edits))
}

func mask(cells grille_plugin_types.Block) (*grille.Edits, error) {
	session, err := plugin.Session()
	if err != nil {
		return nil, err
	}
	block, err := plugin.Block(cells)
	if err != nil {
		return nil, err
	}
	return session.Mask(block)
}
