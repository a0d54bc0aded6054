package grille

import (
	"errors"
	"fmt"
)

// Session is a configured plugin at work on one exchange: what stands between the component's exports and the plugin. A
// plugin's author does not need it; package grilletest and the component do.
type Session struct {
	plugin   any
	exchange *Exchange
	fields   []Field
}

// Open configures the plugin.
func Open(plugin Plugin, settingsJSON string) (*Session, []Diagnostic) {
	if plugin.configure == nil {
		return nil, []Diagnostic{{Message: "the variable Plugin is empty"}}
	}
	configured, err := plugin.configure(settingsJSON)
	if err != nil {
		return nil, Diagnostics(err)
	}
	return &Session{plugin: configured}, nil
}

// Begin starts an exchange; fields are empty for a policy.
func (s *Session) Begin(exchange *Exchange, fields []Field) error {
	if beginner, ok := s.plugin.(Beginner); ok {
		if err := beginner.Begin(exchange, fields); err != nil {
			return err
		}
	}
	s.exchange, s.fields = exchange, fields
	return nil
}

// Inspect gives all findings of a block; empty cells are not looked at.
func (s *Session) Inspect(block *Block) ([]Finding, error) {
	detector, ok := s.plugin.(Detector)
	if !ok {
		return nil, fmt.Errorf("%T is no detector", s.plugin)
	}
	cells, err := s.cells(block)
	if err != nil {
		return nil, err
	}
	var out Findings
	for i, cell := range cells {
		if cell.Text == "" {
			continue
		}
		out.cell, out.text = uint32(i), cell.Text
		if err := errors.Join(detector.Inspect(cell, &out), out.err); err != nil {
			return nil, err
		}
	}
	return out.found, nil
}

// Mask gives one new value for each cell of the block.
func (s *Session) Mask(block *Block) (*Edits, error) {
	masker, ok := s.plugin.(Masker)
	if !ok {
		return nil, fmt.Errorf("%T is no masker", s.plugin)
	}
	cells, err := s.cells(block)
	if err != nil {
		return nil, err
	}
	values, err := masker.Mask(cells)
	if err != nil {
		return nil, err
	}
	return newEdits(len(cells), values)
}

// Decide gives the policy's word on one statement.
func (s *Session) Decide(action *Action) (Decision, error) {
	policy, ok := s.plugin.(Policy)
	if !ok {
		return Decision{}, fmt.Errorf("%T is no policy", s.plugin)
	}
	if s.exchange == nil {
		return Decision{}, errors.New("called before begin")
	}
	decision, err := policy.Decide(s.exchange, action)
	if err != nil {
		return Decision{}, err
	}
	return decision, decision.check()
}

func (s *Session) cells(block *Block) ([]Cell, error) {
	if s.exchange == nil {
		return nil, errors.New("called before begin")
	}
	return block.Cells(s.fields)
}
