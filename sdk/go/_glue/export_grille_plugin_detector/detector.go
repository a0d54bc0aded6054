// Package export_grille_plugin_detector is what a detector exports.
package export_grille_plugin_detector

import (
	"grille"
	"wit_component/grille_plugin_types"
	"wit_component/plugin"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Inspect is the interface's function of that name.
func Inspect(cells grille_plugin_types.Block) witTypes.Result[[]grille_plugin_types.Finding, grille_plugin_types.Failure] {
	found, err := inspect(cells)
	if err != nil {
		return witTypes.Err[[]grille_plugin_types.Finding](plugin.Failure(err))
	}
	findings := make([]grille_plugin_types.Finding, len(found))
	for i, finding := range found {
		findings[i] = grille_plugin_types.Finding{
			Cell:    finding.Cell,
			Start:   finding.Start,
			End:     finding.End,
			Label:   uint32(finding.Label),
			Score:   finding.Score,
			Support: uint32(finding.Support),
		}
	}
	return witTypes.Ok[[]grille_plugin_types.Finding, grille_plugin_types.Failure](findings)
}

func inspect(cells grille_plugin_types.Block) ([]grille.Finding, error) {
	session, err := plugin.Session()
	if err != nil {
		return nil, err
	}
	block, err := plugin.Block(cells)
	if err != nil {
		return nil, err
	}
	return session.Inspect(block)
}
