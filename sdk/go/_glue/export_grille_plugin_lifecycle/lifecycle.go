// Package export_grille_plugin_lifecycle is what every component exports.
package export_grille_plugin_lifecycle

import (
	"grille"
	"wit_component/grille_plugin_types"
	"wit_component/plugin"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Configure is the interface's function of that name.
func Configure(settingsJSON string) witTypes.Result[witTypes.Unit, []grille_plugin_types.Diagnostic] {
	diagnostics := plugin.Configure(settingsJSON)
	if len(diagnostics) == 0 {
		return witTypes.Ok[witTypes.Unit, []grille_plugin_types.Diagnostic](witTypes.Unit{})
	}
	said := make([]grille_plugin_types.Diagnostic, len(diagnostics))
	for i, diagnostic := range diagnostics {
		said[i] = grille_plugin_types.Diagnostic(diagnostic)
	}
	return witTypes.Err[witTypes.Unit](said)
}

// Begin is the interface's function of that name.
func Begin(ctx grille_plugin_types.Exchange, fields []grille_plugin_types.Field) witTypes.Result[witTypes.Unit, grille_plugin_types.Failure] {
	if err := begin(ctx, fields); err != nil {
		return witTypes.Err[witTypes.Unit](plugin.Failure(err))
	}
	return witTypes.Ok[witTypes.Unit, grille_plugin_types.Failure](witTypes.Unit{})
}

func begin(ctx grille_plugin_types.Exchange, fields []grille_plugin_types.Field) error {
	session, err := plugin.Session()
	if err != nil {
		return err
	}
	columns := make([]grille.Field, len(fields))
	for i, field := range fields {
		columns[i] = grille.Field(field)
	}
	return session.Begin(exchange(ctx), columns)
}

func exchange(ctx grille_plugin_types.Exchange) *grille.Exchange {
	return &grille.Exchange{
		ID:            ctx.Id,
		Protocol:      ctx.Protocol,
		Principal:     ctx.Principal,
		PrincipalKind: ctx.PrincipalKind,
		Groups:        ctx.Groups,
		Role:          ctx.Role,
		Upstream:      ctx.Upstream,
		Target:        ctx.Target,
		Client:        ctx.Client,
		Attributes:    plugin.Attributes(ctx.Attributes),
	}
}
