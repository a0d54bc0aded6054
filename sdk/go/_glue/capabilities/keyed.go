package main

import (
	"errors"

	"grille/component"
	"wit_component/grille_plugin_keyed"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

func init() {
	component.Connected.Transform = transform
}

func transform(method, domain string, offsets []uint32, data []byte) ([]uint32, []byte, error) {
	result := grille_plugin_keyed.Transform(method, domain, grille_plugin_keyed.Values{Offsets: offsets, Data: data})
	if result.Tag() == witTypes.ResultErr {
		return nil, nil, errors.New(result.Err().Message)
	}
	values := result.Ok()
	return values.Offsets, values.Data, nil
}
