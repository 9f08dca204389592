package login

import (
	"net/http"
	"net/url"
	"strings"
)

// warnPrefix names Config.BasePath if the response of a login arrives without the first part of
// the path of its RedirectURL. A proxy or http.StripPrefix removes it. The login succeeds, but the
// visitor is then sent to a page without the prefix.
func (l *Login) warnPrefix(r *http.Request, redirectURL string) {
	at, err := url.Parse(redirectURL)
	if err != nil || l.config.BasePath != "" {
		return
	}
	prefix, ok := strings.CutSuffix(at.Path, r.URL.Path)
	if !ok || prefix == "" || !strings.HasPrefix(r.URL.Path, "/") {
		return
	}
	l.once.prefix.Do(func() {
		l.config.Log.WarnContext(r.Context(), "login: the path of RedirectURL arrives without its prefix", "prefix", prefix, "remedy", "set Config.BasePath to the prefix that a proxy or http.StripPrefix removes")
	})
}
