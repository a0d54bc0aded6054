// Package types has the shapes that generated code uses for WIT's option, result and tuple.
package types

// Unit is a value without content.
type Unit struct{}

// Option is a value or none.
type Option[T any] struct {
	value *T
}

// The tags of Option.
const (
	OptionNone uint8 = iota
	OptionSome
)

// Some is the value.
func Some[T any](value T) Option[T] {
	return Option[T]{&value}
}

// None is no value.
func None[T any]() Option[T] {
	return Option[T]{}
}

// Tag says which it is.
func (o Option[T]) Tag() uint8 {
	if o.value == nil {
		return OptionNone
	}
	return OptionSome
}

// Some gives the value; panics if there is none.
func (o Option[T]) Some() T {
	return *o.value
}

// Result is a value or an error's.
type Result[T, E any] struct {
	ok  T
	err E
	tag uint8
}

// The tags of Result.
const (
	ResultOk uint8 = iota
	ResultErr
)

// Ok is the value.
func Ok[T, E any](value T) Result[T, E] {
	return Result[T, E]{ok: value, tag: ResultOk}
}

// Err is the error's value.
func Err[T, E any](value E) Result[T, E] {
	return Result[T, E]{err: value, tag: ResultErr}
}

// Tag says which it is.
func (r Result[T, E]) Tag() uint8 {
	return r.tag
}

// Ok gives the value; panics if it is an error's.
func (r Result[T, E]) Ok() T {
	if r.tag != ResultOk {
		panic("the result is an error")
	}
	return r.ok
}

// Err gives the error's value; panics if there is none.
func (r Result[T, E]) Err() E {
	if r.tag != ResultErr {
		panic("the result is no error")
	}
	return r.err
}

// Tuple2 is a pair.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}
