package grille

import (
	"errors"
	"math"
	"unicode/utf8"
)

// Cell is one value of a result, as text.
type Cell struct {
	// Text is the value, in UTF-8. Never NULL; empty if it is an empty text or if the host's gate cleared it.
	Text string
	// Field is the column it belongs to.
	Field *Field
	// Row is its row within the block. Blocks are cut anywhere, so the number means nothing across calls.
	Row uint32
}

// Block is cells, column by column: cell f*rows+r is row r of the block's field f.
type Block struct {
	rows    uint32
	fields  []uint32
	offsets []uint32
	data    string
}

// NewBlock makes a block of the parts of the interface's record. It is an error if the host broke its promise about one of
// them: offsets has rows*len(fields)+1 entries, ascends from 0 to len(data), and cuts data between characters.
func NewBlock(rows uint32, fields, offsets []uint32, data []byte) (*Block, error) {
	cells := uint64(rows) * uint64(len(fields))
	if cells >= math.MaxUint32 || cells+1 != uint64(len(offsets)) {
		return nil, errors.New("the block's offsets do not fit its rows and fields")
	}
	if !utf8.Valid(data) {
		return nil, errors.New("the block's data is not UTF-8")
	}
	block := &Block{rows: rows, fields: fields, offsets: offsets, data: string(data)}
	if !block.offsetsFit() {
		return nil, errors.New("the block's offsets do not fit its data")
	}
	return block, nil
}

func (b *Block) offsetsFit() bool {
	last := uint32(0)
	for _, offset := range b.offsets {
		if offset < last || !onBoundary(b.data, int(offset)) {
			return false
		}
		last = offset
	}
	return b.offsets[0] == 0 && uint64(last) == uint64(len(b.data))
}

// Len is how many cells there are.
func (b *Block) Len() int {
	return len(b.offsets) - 1
}

// Cells are all cells in order; fields are those that Begin was given.
func (b *Block) Cells(fields []Field) ([]Cell, error) {
	cells := make([]Cell, 0, b.Len())
	for _, field := range b.fields {
		if uint64(field) >= uint64(len(fields)) {
			return nil, errors.New("the block has a field that was not announced")
		}
		for row := range b.rows {
			at := len(cells)
			text := b.data[b.offsets[at]:b.offsets[at+1]]
			cells = append(cells, Cell{Text: text, Field: &fields[field], Row: row})
		}
	}
	return cells, nil
}
