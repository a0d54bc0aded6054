package runtime

import "unsafe"

// cabiRealloc is how the canonical ABI gets memory for arguments and results. It never grows what it gave: strings are UTF-8 on both
// sides, so their length is known beforehand. The component's start function runs Go's initialization before any call, so there is
// a heap to allocate from.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, newSize uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("memory is allocated once")
	}
	return Allocate(&arguments, newSize, align)
}
