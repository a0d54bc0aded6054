package main

import (
	"grille/component"
	"wit_component/grille_plugin_log"
)

func init() {
	component.Connected.Log = grille_plugin_log.Write
}
