package main

import (
	"errors"

	"grille/component"
	"wit_component/grille_plugin_state"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

func init() {
	component.Connected.State = hostState{}
}

type hostState struct{}

func (hostState) Get(key string) ([]byte, bool, error) {
	result := grille_plugin_state.Get(key)
	if result.Tag() == witTypes.ResultErr {
		return nil, false, errors.New(result.Err().Message)
	}
	value := result.Ok()
	if value.Tag() == witTypes.OptionNone {
		return nil, false, nil
	}
	return value.Some(), true, nil
}

func (hostState) Set(key string, value []byte, ttlMS uint32) error {
	if result := grille_plugin_state.Set(key, value, ttlMS); result.Tag() == witTypes.ResultErr {
		return errors.New(result.Err().Message)
	}
	return nil
}

func (hostState) Add(key string, delta int64, windowMS uint32) (int64, error) {
	result := grille_plugin_state.Add(key, delta, windowMS)
	if result.Tag() == witTypes.ResultErr {
		return 0, errors.New(result.Err().Message)
	}
	return result.Ok(), nil
}
