// Package state is a capability of policies: small values kept between exchanges, for counting and for remembering. Each
// plugin has its own, by role; bytes and keys are limited, and old values give way to new ones. Nothing is kept over a
// restart, so a missing value must be an answer the policy can live with. A policy that declares it is judged anew for each
// statement.
package state

import (
	"time"

	"grille/component"
)

// TTLMax is the longest that a value is kept.
const TTLMax = 24 * time.Hour

// Get gives the value of a key, and whether there is one.
func Get(key string) (value []byte, found bool, err error) {
	return kept().Get(key)
}

// Set keeps a value, at most for TTLMax.
func Set(key string, value []byte, ttl time.Duration) error {
	return kept().Set(key, value, milliseconds(ttl))
}

// Add adds to a counter that begins anew a window after its first addition, and gives its new value.
func Add(key string, delta int64, window time.Duration) (int64, error) {
	return kept().Add(key, delta, milliseconds(window))
}

func kept() component.State {
	if component.Connected.State == nil {
		component.Missing("state")
	}
	return component.Connected.State
}

// milliseconds never turns a long time into a short one, nor a short one into none.
func milliseconds(duration time.Duration) uint32 {
	return uint32(min(max(duration.Milliseconds(), 1), 1<<32-1))
}
