package client

import (
	"reflect"
	"strings"
)

// insecure names the Insecure switches that are on, in the order of Config's fields.
// Profiles reject them all: a new one needs no rule.
func (c *Config) insecure() []string {
	out := switchedOn("", reflect.ValueOf(c).Elem())
	if c.DPoP != nil {
		out = append(out, switchedOn("DPoP.", reflect.ValueOf(c.DPoP).Elem())...)
	}
	return out
}

func switchedOn(prefix string, v reflect.Value) (out []string) {
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; strings.HasPrefix(name, "Insecure") && !v.Field(i).IsZero() {
			out = append(out, prefix+name)
		}
	}
	return out
}
