package plugin

import (
	"testing"

	"grille/grilletest"
)

func TestVectors(t *testing.T) {
	grilletest.CheckManifest(t, Plugin)
}

func TestOnlyTheShapeIsLeft(t *testing.T) {
	masker := grilletest.NewMasker(t, Plugin, "{}")
	for text, expected := range map[string]string{"Åse 47": "Xxx 00", "": "", "---": "---"} {
		if masked := masker.Mask(text); masked != expected {
			t.Errorf("%q became %q", text, masked)
		}
	}
}
