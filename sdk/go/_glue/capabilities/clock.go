package main

import (
	"grille/component"
	"wit_component/grille_plugin_clock"
)

func init() {
	component.Connected.Now = grille_plugin_clock.NowMs
}
