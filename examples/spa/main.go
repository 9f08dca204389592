// Spa is a single-page application in plain JavaScript that never has a token. This program
// stores the tokens, and calls the API for the page.
//
//	ISSUER          the server
//	CLIENT_ID       of the registration, with the redirect URI BASE_URL/callback
//	CLIENT_SECRET   not set for a public client
//	SCOPES          the requested scopes; openid if it is not set
//	API_URL         the API; the page calls /photos and /originals there
//	BASE_URL        the address of this program in browsers; http://127.0.0.1:8080 if it is not set
//	LISTEN          where it listens; 127.0.0.1:8080 if it is not set
//	SESSION_KEYS    32 bytes in base64, or several with commas; if not set, sessions end with the program
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/examples/internal/spa"
)

func main() {
	handler, err := newApp(cmp.Or(os.Getenv("BASE_URL"), "http://127.0.0.1:8080"))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8080"), Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func newApp(baseURL string) (http.Handler, error) {
	method := auth.Public()
	if secret := os.Getenv("CLIENT_SECRET"); secret != "" {
		method = auth.Secret(secret)
	}
	c, err := client.New(client.Config{
		Issuer: os.Getenv("ISSUER"), ClientID: os.Getenv("CLIENT_ID"), Auth: method, RedirectURL: baseURL + "/callback",
		Scopes: strings.Fields(cmp.Or(os.Getenv("SCOPES"), "openid")),
	})
	if err != nil {
		return nil, err
	}
	keys, err := login.ParseKeys(os.Getenv("SESSION_KEYS"))
	if err != nil {
		return nil, err
	}
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: keys, CookieName: "spa", KeepTokens: true, Device: &login.Device{},
		InsecureHTTP: strings.HasPrefix(baseURL, "http:"),
	})
	if err != nil {
		return nil, err
	}
	page, err := spa.Handler(l, os.Getenv("API_URL"))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", page)
	mux.Handle("/device-session", l.DeviceSession())
	return mux, nil
}
