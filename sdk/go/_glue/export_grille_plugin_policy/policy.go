// Package export_grille_plugin_policy is what a policy exports.
package export_grille_plugin_policy

import (
	"fmt"

	"grille"
	"wit_component/grille_plugin_policy"
	"wit_component/grille_plugin_types"
	"wit_component/plugin"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Decide is the interface's function of that name.
func Decide(what grille_plugin_policy.Action) witTypes.Result[grille_plugin_policy.Decision, grille_plugin_types.Failure] {
	decision, err := decide(what)
	if err != nil {
		return witTypes.Err[grille_plugin_policy.Decision](plugin.Failure(err))
	}
	return witTypes.Ok[grille_plugin_policy.Decision, grille_plugin_types.Failure](decision)
}

func decide(what grille_plugin_policy.Action) (made grille_plugin_policy.Decision, err error) {
	session, err := plugin.Session()
	if err != nil {
		return made, err
	}
	decision, err := session.Decide(action(what))
	if err != nil {
		return made, err
	}
	made.Verdict, err = verdict(decision)
	for _, obligation := range decision.Obligations {
		made.Obligations = append(made.Obligations, grille_plugin_types.Attribute(obligation))
	}
	return made, err
}

func action(what grille_plugin_policy.Action) *grille.Action {
	objects := make([]grille.Object, len(what.Objects))
	for i, object := range what.Objects {
		objects[i] = grille.Object(object)
	}
	return &grille.Action{
		Kind:        what.Kind,
		Effects:     what.Effects,
		Objects:     objects,
		Features:    what.Features,
		Text:        what.Text,
		Fingerprint: what.Fingerprint,
		Attributes:  plugin.Attributes(what.Attributes),
	}
}

func verdict(decision grille.Decision) (grille_plugin_policy.Verdict, error) {
	switch decision.Verdict {
	case grille.VerdictAllow:
		return grille_plugin_policy.MakeVerdictAllow(), nil
	case grille.VerdictDeny:
		return grille_plugin_policy.MakeVerdictDeny(decision.Reason), nil
	case grille.VerdictHold:
		approval := decision.Approval
		return grille_plugin_policy.MakeVerdictHold(grille_plugin_policy.Approval{
			Reason: approval.Reason, Approvers: approval.Approvers, TtlS: approval.TTLSeconds(),
		}), nil
	case grille.VerdictRewrite:
		return grille_plugin_policy.MakeVerdictRewrite(decision.Statement), nil
	default:
		return grille_plugin_policy.Verdict{}, fmt.Errorf("a verdict that has no word: %s", decision.Verdict)
	}
}
