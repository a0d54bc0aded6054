// Package runtime gives generated code memory that the host writes to and reads from: ordinary Go memory that is pinned, so that the
// collector leaves it alone while only the host knows of it.
package runtime

import (
	"runtime"
	"unsafe"
)

// arguments pins what cabi_realloc gave away, until the generated code has turned it into Go values.
var arguments runtime.Pinner

// Unpin lets go of the arguments of a call. The Go values made of them keep what they need.
func Unpin() {
	arguments.Unpin()
}

// Allocate gives zeroed memory for size bytes, at an alignment of 1, 2, 4 or 8 that divides it; nil for none.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// Words of 8 bytes suit every alignment of the canonical ABI. They hold no Go pointers, for the collector does not look inside.
	words := make([]uint64, (size+7)/8)
	pointer := unsafe.Pointer(unsafe.SliceData(words))
	pinner.Pin(pointer)
	return pointer
}
