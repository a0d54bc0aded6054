package plugin

import (
	"testing"

	"grille/grilletest"
)

func TestVectors(t *testing.T) {
	grilletest.CheckManifest(t, Plugin)
}

func TestThePrefixIsASetting(t *testing.T) {
	found := grilletest.NewDetector(t, Plugin, `{"prefix": "CASE"}`).Inspect("é CASE-00001, TK-12345")
	if len(found) != 1 || found[0].Text != "CASE-00001" || found[0].Start != 3 {
		t.Errorf("%+v", found)
	}
}
