// Package clock is a capability of policies: the time. A policy that declares it is judged anew for each statement.
package clock

import (
	"time"

	"grille/component"
)

// Now is the time, to the millisecond, in UTC. The time of package time is not the real one in a component.
func Now() time.Time {
	if component.Connected.Now == nil {
		component.Missing("clock")
	}
	return time.UnixMilli(int64(component.Connected.Now())).UTC()
}
