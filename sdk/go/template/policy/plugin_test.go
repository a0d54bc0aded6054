package plugin

import (
	"testing"

	"grille"
	"grille/grilletest"
)

func TestVectors(t *testing.T) {
	grilletest.CheckManifest(t, Plugin)
}

func TestProtectedTablesAreOnlyRead(t *testing.T) {
	policy := grilletest.NewPolicy(t, Plugin, `{"protected": ["salaries"]}`)
	decide := func(access string) grille.Decision {
		return policy.Decide(grille.Exchange{}, grille.Action{
			Objects: []grille.Object{{Kind: "relation", Name: "hr.salaries", Access: access}},
		})
	}
	if denied := decide("update"); denied.Reason != "salaries may only be read" {
		t.Errorf("%s %q", denied.Verdict, denied.Reason)
	}
	if read := decide("read"); read.Verdict != grille.VerdictAllow {
		t.Errorf("%s %q", read.Verdict, read.Reason)
	}
}

func TestAnEmptyNameIsRefused(t *testing.T) {
	diagnostics := grilletest.Refused(t, Plugin, `{"protected": [""]}`)
	if diagnostics[0].Pointer != "/protected" {
		t.Error(diagnostics)
	}
}
