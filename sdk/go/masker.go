package grille

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Masker makes new values for sensitive ones.
//
// A masker that also is a Beginner is told of each exchange before its first cell.
type Masker interface {
	// Mask answers with exactly one new value, in UTF-8, for each cell, in order. An error says that there is no good value;
	// the host then replaces the cells itself.
	Mask(cells []Cell) ([]string, error)
}

// MaskEach is a Masker that looks at one cell at a time.
type MaskEach func(cell Cell) (string, error)

// Mask calls the function for each cell.
func (f MaskEach) Mask(cells []Cell) ([]string, error) {
	values := make([]string, len(cells))
	for i, cell := range cells {
		value, err := f(cell)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

// Edits are new values in the interface's flat form: value i is for cell Cells[i] and is Data[Offsets[i]:Offsets[i+1]].
type Edits struct {
	// Cells are ascending, without repeats.
	Cells []uint32
	// Offsets has one entry more than Cells.
	Offsets []uint32
	// Data is all values.
	Data []byte
}

func newEdits(cells int, values []string) (*Edits, error) {
	if len(values) != cells {
		return nil, fmt.Errorf("the masker made %d values for %d cells", len(values), cells)
	}
	edits := &Edits{Cells: make([]uint32, 0, cells), Offsets: make([]uint32, 1, cells+1)}
	for i, value := range values {
		if !utf8.ValidString(value) {
			return nil, errors.New("a new value is not UTF-8")
		}
		if uint64(len(edits.Data))+uint64(len(value)) > math.MaxUint32 {
			return nil, errors.New("more than 4 GiB of new values")
		}
		edits.Data = append(edits.Data, value...)
		edits.Cells = append(edits.Cells, uint32(i))
		edits.Offsets = append(edits.Offsets, uint32(len(edits.Data)))
	}
	return edits, nil
}
