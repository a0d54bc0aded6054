package grille

import (
	"errors"
	"fmt"
)

// ScoreMax is the highest score a finding can have.
const ScoreMax = 1000

// Detector finds sensitive data in cells. It says where; it never returns what it saw.
//
// A detector that also is a Beginner is told of each exchange before its first cell.
type Detector interface {
	// Inspect adds what the cell holds to out. Empty cells are not shown to it. Overlapping findings are resolved by the host
	// (higher score, then longer). An error says that the cell cannot be judged; the host then treats it as sensitive.
	Inspect(cell Cell, out *Findings) error
}

// Beginner is what a Detector or a Masker can be besides.
type Beginner interface {
	// Begin is called before the first cell of an exchange. An error says that there can be no work on this result; the host
	// then treats all of it as sensitive.
	Begin(exchange *Exchange, fields []Field) error
}

// DetectorFunc is a Detector that is only a function.
type DetectorFunc func(cell Cell, out *Findings) error

// Inspect calls the function.
func (f DetectorFunc) Inspect(cell Cell, out *Findings) error {
	return f(cell, out)
}

// Label is a kind of sensitive data: index into the [[labels]] of plugin.toml.
type Label uint32

// Support is what speaks for a finding besides its shape: any of the constants, joined by |.
type Support uint32

const (
	// Checked: a check digit or checksum held.
	Checked Support = 1 << iota
	// Separated: the usual separators were there (123-45-6789).
	Separated
	// Context: a context word stands beside it in the same text.
	Context

	// Unsupported: nothing.
	Unsupported Support = 0
)

// supportKnown are the bits that the interface defines; others are reserved and zero.
const supportKnown = Checked | Separated | Context

// Finding is where sensitive data was found.
type Finding struct {
	// Cell is the index of the cell within the block.
	Cell uint32
	// Start and End are byte offsets into the cell, between characters; Start < End.
	Start, End uint32
	// Label is what was found.
	Label Label
	// Score is 0 to ScoreMax.
	Score uint32
	// Support is what speaks for it.
	Support Support
}

// Findings collects the findings of a block.
type Findings struct {
	cell  uint32
	text  string
	found []Finding
	err   error
}

// Add adds a finding in the cell under inspection, from byte offset start up to end. Offsets that are not between characters
// of the cell, or not in ascending order, make the whole inspection fail, as the host would; scores beyond 0 to ScoreMax
// count as the nearest of them.
func (f *Findings) Add(label Label, start, end int, score int, support Support) {
	if err := checkPlace(f.text, start, end); err != nil {
		f.err = errors.Join(f.err, err)
		return
	}
	f.found = append(f.found, Finding{
		Cell:    f.cell,
		Start:   uint32(start),
		End:     uint32(end),
		Label:   label,
		Score:   uint32(min(max(score, 0), ScoreMax)),
		Support: support & supportKnown,
	})
}

// AddAll adds a finding for each place, as regexp.Regexp.FindAllStringIndex returns them.
func (f *Findings) AddAll(label Label, places [][]int, score int, support Support) {
	for _, place := range places {
		f.Add(label, place[0], place[1], score, support)
	}
}

// checkPlace never repeats the text: its message reaches the operator's log.
func checkPlace(text string, start, end int) error {
	switch {
	case start < 0 || end > len(text) || start >= end:
		return fmt.Errorf("bytes %d to %d are no part of a cell of %d bytes", start, end, len(text))
	case !onBoundary(text, start) || !onBoundary(text, end):
		return fmt.Errorf("bytes %d to %d of a cell cut a character in two", start, end)
	default:
		return nil
	}
}
