package client

import (
	"errors"
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

// checkBackchannel applies FAPI-CIBA §5.2.3 to a login on another device: the user must see
// what the request is about.
func (p Profile) checkBackchannel(r *BackchannelRequest) error {
	if p == FAPICIBA && r.BindingMessage == "" && r.AuthorizationDetails == nil && len(r.Extra) == 0 {
		return errors.New("Profile FAPI-CIBA needs a BindingMessage, AuthorizationDetails, or parameters in Extra that say what the user allows")
	}
	return nil
}
