// Package log is a capability of policies: the host's log. Messages are cut at 1 KiB and rate-limited.
package log

import (
	"fmt"

	"grille/component"
)

// Level is how much a message matters.
type Level uint32

const (
	// Trace: every step.
	Trace Level = iota
	// Debug: for the plugin's author.
	Debug
	// Info: for the operator, in good times.
	Info
	// Warn: somebody should look some day.
	Warn
	// Error: somebody should look now.
	Error
)

// Write writes one message.
func Write(level Level, message string) {
	if component.Connected.Log == nil {
		component.Missing("log")
	}
	component.Connected.Log(uint32(level), message)
}

// Writef is Write with a format as in package fmt.
func Writef(level Level, format string, values ...any) {
	Write(level, fmt.Sprintf(format, values...))
}
