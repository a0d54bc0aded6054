// Package keyed is a capability of maskers: transforms under a key that the host keeps.
package keyed

import (
	"errors"
	"fmt"

	"grille/component"
)

// Method is how values are transformed.
type Method string

const (
	// Token gives short, printable values.
	Token Method = "token"
	// HMACSHA256 gives 64 hexadecimal digits.
	HMACSHA256 Method = "hmac-sha256"
)

// Transform gives one value for each value: equal inputs give equal outputs within a domain, and different ones across
// domains. One call for many values costs little more than one for one.
func Transform(method Method, domain string, values []string) ([]string, error) {
	if component.Connected.Transform == nil {
		component.Missing("keyed")
	}
	offsets, data := flat(values)
	offsets, data, err := component.Connected.Transform(string(method), domain, offsets, data)
	if err != nil {
		return nil, err
	}
	if len(offsets) != len(values)+1 {
		return nil, fmt.Errorf("%d offsets came back for %d values", len(offsets), len(values))
	}
	return cut(offsets, data)
}

func flat(values []string) ([]uint32, []byte) {
	offsets := make([]uint32, 1, len(values)+1)
	var data []byte
	for _, value := range values {
		data = append(data, value...)
		offsets = append(offsets, uint32(len(data)))
	}
	return offsets, data
}

func cut(offsets []uint32, data []byte) ([]string, error) {
	values := make([]string, 0, len(offsets)-1)
	for i := range len(offsets) - 1 {
		start, end := offsets[i], offsets[i+1]
		if start > end || uint64(end) > uint64(len(data)) {
			return nil, errors.New("the offsets that came back do not fit the data")
		}
		values = append(values, string(data[start:end]))
	}
	return values, nil
}
