package client

import (
	"net/url"
	"slices"
)

// repeatResource names the API again in a token request, if an earlier step named one (RFC
// 8707 §2.2). Of several, the server chooses what the token is for.
func (c *Client) repeatResource(form url.Values, named []string) {
	if len(named) == 1 && !c.config.OmitTokenResource && !form.Has("resource") {
		form["resource"] = slices.Clone(named)
	}
}
