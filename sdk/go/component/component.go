// Package component is where the capability packages (clock, log, state, egress, keyed) find what they call: the host's
// imports in a component, fakes in a test. For `grille plugin build` and package grilletest alone; nothing here is for a
// plugin's author.
package component

// Header is one name and value of an HTTP message.
type Header struct {
	Name, Value string
}

// Capabilities are the interface's imports; one that the plugin does not have is nil.
type Capabilities struct {
	Log       func(level uint32, message string)
	Now       func() uint64
	State     State
	Fetch     func(method, url string, headers []Header, body []byte) (status uint16, replyHeaders []Header, replyBody []byte, err error)
	Transform func(method, domain string, offsets []uint32, data []byte) ([]uint32, []byte, error)
}

// State is the capability of that name.
type State interface {
	Get(key string) (value []byte, found bool, err error)
	Set(key string, value []byte, ttlMS uint32) error
	Add(key string, delta int64, windowMS uint32) (int64, error)
}

// Connected is what the capability packages call. A component has one plugin and one thread.
var Connected Capabilities

// Missing stops a plugin that uses what it has not declared: in a component that is a trap, and the host fails closed.
func Missing(name string) {
	panic("the capability " + name + " is not there: declare it under [[capabilities]] in plugin.toml (in tests: grilletest grants it)")
}
