package plugin

import (
	"testing"

	"grille"
	"grille/grilletest"
)

func TestVectors(t *testing.T) {
	grilletest.CheckManifest(t, Plugin)
}

func TestWhatIsListedIsDenied(t *testing.T) {
	policy := grilletest.NewPolicy(t, Plugin, `{"denied": ["hr.salaries"]}`)
	decision := policy.Decide(grille.Exchange{}, grille.Action{
		Kind:    "select",
		Effects: []string{"read"},
		Objects: []grille.Object{{Kind: "relation", Name: "hr.salaries", Access: "read"}},
	})
	if decision.Verdict != grille.VerdictDeny || decision.Reason != "hr.salaries may not be touched" {
		t.Errorf("%s %q", decision.Verdict, decision.Reason)
	}
}

func TestAnEmptyNameIsRefused(t *testing.T) {
	diagnostics := grilletest.Refused(t, Plugin, `{"denied": [""]}`)
	if diagnostics[0].Pointer != "/denied" {
		t.Error(diagnostics)
	}
}
