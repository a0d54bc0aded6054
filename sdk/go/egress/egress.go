// Package egress is a capability of policies: HTTPS requests to the hosts that the operator allows, bounded in time and bytes.
// A policy that declares it is judged anew for each statement.
package egress

import (
	"strings"

	"grille/component"
)

// Header is one name and value.
type Header = component.Header

// Request is what is sent.
type Request struct {
	// Method is "GET", "POST", …; empty is "GET".
	Method string
	// URL begins with "https://".
	URL     string
	Headers []Header
	Body    []byte
}

// Reply is what came back.
type Reply struct {
	Status  int
	Headers []Header
	Body    []byte
}

// Header is the first value under that name, in any case; empty if there is none.
func (r *Reply) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// Fetch sends the request. An error means that there is no reply at all; a reply of any status is none.
func Fetch(request Request) (*Reply, error) {
	if component.Connected.Fetch == nil {
		component.Missing("egress")
	}
	method := request.Method
	if method == "" {
		method = "GET"
	}
	status, headers, body, err := component.Connected.Fetch(method, request.URL, request.Headers, request.Body)
	if err != nil {
		return nil, err
	}
	return &Reply{Status: int(status), Headers: headers, Body: body}, nil
}
