package grilletest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"grille/component"
	"grille/egress"
)

// Capabilities belong to the process, as they do in a component: tests that grant one must not call t.Parallel. Each is taken
// back when the test ends. Granting one that plugin.toml does not declare fails the test, as the host would.

// Clock is a clock that stands still.
type Clock struct {
	now time.Time
}

// GrantClock grants the capability clock.
func GrantClock(t testing.TB, now time.Time) *Clock {
	t.Helper()
	grant(t, "clock")
	clock := &Clock{now}
	component.Connected.Now = func() uint64 { return uint64(clock.now.UnixMilli()) }
	return clock
}

// Advance lets time pass.
func (c *Clock) Advance(duration time.Duration) {
	c.now = c.now.Add(duration)
}

// Log is what a plugin wrote.
type Log struct {
	Messages []string
}

// GrantLog grants the capability log; messages are shown with the test's own, too.
func GrantLog(t testing.TB) *Log {
	t.Helper()
	grant(t, "log")
	log := &Log{}
	component.Connected.Log = func(level uint32, message string) {
		t.Logf("log level %d: %s", level, message)
		log.Messages = append(log.Messages, message)
	}
	return log
}

// State is a state in memory. Its time is that of a granted clock, else none passes.
type State struct {
	entries map[string]entry
	err     error
}

type entry struct {
	value   []byte
	counter int64
	endsMS  uint64
}

// GrantState grants the capability state.
func GrantState(t testing.TB) *State {
	t.Helper()
	grant(t, "state")
	state := &State{entries: map[string]entry{}}
	component.Connected.State = state
	return state
}

// Fail lets every later call fail with the error; nil lets them work again.
func (s *State) Fail(err error) {
	s.err = err
}

// Get is what package state calls.
func (s *State) Get(key string) ([]byte, bool, error) {
	kept, found := s.live(key)
	return slices.Clone(kept.value), found && s.err == nil, s.err
}

// Set is what package state calls.
func (s *State) Set(key string, value []byte, ttlMS uint32) error {
	if s.err == nil {
		s.entries[key] = entry{value: slices.Clone(value), endsMS: nowMS() + uint64(ttlMS)}
	}
	return s.err
}

// Add is what package state calls.
func (s *State) Add(key string, delta int64, windowMS uint32) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	kept, found := s.live(key)
	if !found {
		kept = entry{endsMS: nowMS() + uint64(windowMS)}
	}
	kept.counter += delta
	s.entries[key] = kept
	return kept.counter, nil
}

func (s *State) live(key string) (entry, bool) {
	kept, found := s.entries[key]
	if found && nowMS() >= kept.endsMS {
		return entry{}, false
	}
	return kept, found
}

func nowMS() uint64 {
	if component.Connected.Now == nil {
		return 0
	}
	return component.Connected.Now()
}

// GrantEgress grants the capability egress; the function answers requests instead of a network.
func GrantEgress(t testing.TB, answer func(egress.Request) (*egress.Reply, error)) {
	t.Helper()
	grant(t, "egress")
	component.Connected.Fetch = func(method, url string, headers []component.Header, body []byte) (uint16, []component.Header, []byte, error) {
		if !strings.HasPrefix(url, "https://") {
			return 0, nil, nil, errors.New("the URL does not begin with https://")
		}
		reply, err := answer(egress.Request{Method: method, URL: url, Headers: headers, Body: body})
		if err != nil {
			return 0, nil, nil, err
		}
		return uint16(reply.Status), reply.Headers, reply.Body, nil
	}
}

// GrantKeyed grants the capability keyed, under a key that only tests have.
func GrantKeyed(t testing.TB) {
	t.Helper()
	grant(t, "keyed")
	component.Connected.Transform = transform
}

func transform(method, domain string, offsets []uint32, data []byte) ([]uint32, []byte, error) {
	lengths := map[string]int{"token": 16, "hmac-sha256": 64}
	length, known := lengths[method]
	if !known {
		return nil, nil, errors.New("the method is not known")
	}
	out := []uint32{0}
	var values []byte
	for i := range len(offsets) - 1 {
		mac := hmac.New(sha256.New, []byte("a key for tests"))
		mac.Write([]byte(domain))
		mac.Write([]byte{0})
		mac.Write(data[offsets[i]:offsets[i+1]])
		values = append(values, hex.EncodeToString(mac.Sum(nil))[:length]...)
		out = append(out, uint32(len(values)))
	}
	return out, values, nil
}

func grant(t testing.TB, name string) {
	t.Helper()
	if !slices.Contains(readManifest(t).capabilities, name) {
		t.Fatalf("plugin.toml does not declare the capability %s", name)
	}
	before := component.Connected
	t.Cleanup(func() { component.Connected = before })
}
