package grille

import "errors"

// Diagnostic is one thing that is wrong with the settings. A configure function returns one as its error, or several joined
// with errors.Join.
type Diagnostic struct {
	// Pointer is an RFC 6901 pointer into the settings ("/teams/0/groups"); empty for the whole.
	Pointer string
	// Message is one sentence for the operator.
	Message string
}

// Error makes a diagnostic an error.
func (d Diagnostic) Error() string {
	return "settings" + d.Pointer + ": " + d.Message
}

// Diagnostics takes an error of a configure function apart: joined errors one by one, and an error that is no Diagnostic as
// one about the whole.
func Diagnostics(err error) []Diagnostic {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []Diagnostic
		for _, part := range joined.Unwrap() {
			all = append(all, Diagnostics(part)...)
		}
		return all
	}
	var diagnostic Diagnostic
	if errors.As(err, &diagnostic) {
		return []Diagnostic{diagnostic}
	}
	return []Diagnostic{{Message: err.Error()}}
}
