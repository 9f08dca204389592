package client

import (
	"net/url"
	"slices"
)

// cloneValues gives parameters that can be added to, where there are none too.
func cloneValues(v url.Values) url.Values {
	out := make(url.Values, len(v))
	for name, values := range v {
		out[name] = slices.Clone(values)
	}
	return out
}

// setGiven sets the parameters that have a value.
func setGiven(v url.Values, given map[string]string) {
	for name, value := range given {
		if value != "" {
			v.Set(name, value)
		}
	}
}
