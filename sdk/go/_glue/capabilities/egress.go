package main

import (
	"errors"

	"grille/component"
	"wit_component/grille_plugin_egress"
	"wit_component/grille_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

func init() {
	component.Connected.Fetch = fetch
}

func fetch(method, url string, headers []component.Header, body []byte) (uint16, []component.Header, []byte, error) {
	attributes := make([]grille_plugin_types.Attribute, len(headers))
	for i, header := range headers {
		attributes[i] = grille_plugin_types.Attribute{Key: header.Name, Value: header.Value}
	}
	result := grille_plugin_egress.Fetch(method, url, attributes, body)
	if result.Tag() == witTypes.ResultErr {
		return 0, nil, nil, errors.New(result.Err().Message)
	}
	reply := result.Ok()
	replied := make([]component.Header, len(reply.Headers))
	for i, attribute := range reply.Headers {
		replied[i] = component.Header{Name: attribute.Key, Value: attribute.Value}
	}
	return reply.Status, replied, reply.Body, nil
}
