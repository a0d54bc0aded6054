// Package grille is for writing plugins of Grille, the policy proxy, in Go.
//
// A plugin is one of three things, each made from a function that turns settings into it:
//
//	Detector  NewDetector  finds sensitive data in cells
//	Masker    NewMasker    makes new values for cells
//	Policy    NewPolicy    judges statements before they run
//
// The package of a plugin has one exported variable, Plugin, which holds it:
//
//	var Plugin = grille.NewPolicy(configure)
//
// Nothing here knows of WebAssembly, so a plugin's tests are ordinary ones; package grilletest helps. Only
// `grille plugin build` ties a plugin to the interface.
//
// Whatever goes wrong in a plugin, an error or a panic, the host fails closed: a statement is denied, a field is treated as
// sensitive, a value is replaced.
package grille
