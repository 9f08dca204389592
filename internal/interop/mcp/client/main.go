// Client is the MCP client that the conformance runner starts for each scenario: an application
// that uses package mcpauth. Its argument is the URL of the MCP server. The runner passes the
// scenario, the revision of MCP and credentials in the environment.
package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/mcpauth"
)

// scenario is what the runner passes in MCP_CONFORMANCE_CONTEXT.
type scenario struct {
	ClientID         string `json:"client_id"`
	ClientSecret     string `json:"client_secret"`
	Issuer           string `json:"issuer"`
	PrivateKeyPEM    string `json:"private_key_pem"`
	SigningAlgorithm string `json:"signing_algorithm"`
	IdPClientID      string `json:"idp_client_id"`
	IdPIDToken       string `json:"idp_id_token"`
	IdPIssuer        string `json:"idp_issuer"`
	ValidJWT         string `json:"valid_jwt"`
}

// noMetadata is the scenario whose authorization server has no metadata.
const noMetadata = "auth/2025-03-26-oauth-endpoint-fallback"

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if err := run(ctx, os.Getenv("MCP_CONFORMANCE_SCENARIO"), os.Args[len(os.Args)-1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, name, server string) error {
	var s scenario
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return err
		}
	}
	transport, err := s.transport(name, server)
	if err != nil {
		return err
	}
	return call(ctx, transport)
}

// transport connects to the server. Without credentials the code of the documentation does it.
func (s *scenario) transport(name, server string) (mcp.Transport, error) {
	if *s == (scenario{}) && name != noMetadata {
		return documented(document(), trust, visit, nil, server)
	}
	config, err := s.config(name, server)
	if err != nil {
		return nil, err
	}
	h, err := mcpauth.New(config)
	if err != nil {
		return nil, err
	}
	return &mcp.StreamableClientTransport{Endpoint: server, OAuthHandler: h, HTTPClient: h.HTTPClient()}, nil
}

// call lists the tools of the server and calls one.
func call(ctx context.Context, transport mcp.Transport) error {
	c := mcp.NewClient(&mcp.Implementation{Name: "countersign", Version: "1"}, nil)
	session, err := c.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: os.Getenv("MCP_CONFORMANCE_PROTOCOL_VERSION")})
	if err != nil {
		return err
	}
	defer session.Close()
	if _, err := session.ListTools(ctx, nil); err != nil {
		return err
	}
	_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "test-tool", Arguments: map[string]any{}})
	return err
}

// config returns the configuration of the application.
func (s *scenario) config(name, server string) (mcpauth.Config, error) {
	config := mcpauth.Config{Trusted: trust, Open: visit, Client: document()}
	if name == noMetadata {
		u, err := url.Parse(server)
		if err != nil {
			return config, err
		}
		config.InsecureNoS256 = []string{u.Scheme + "://" + u.Host}
	}
	if s.ClientID != "" {
		method, err := s.auth()
		if err != nil {
			return config, err
		}
		config.Registered = func(issuer string) (client.Config, bool) {
			return client.Config{ClientID: s.ClientID, Auth: method}, s.Issuer == "" || s.Issuer == issuer
		}
	}
	return config, s.setGrant(name, &config)
}

// document describes the application.
func document() *registration.Document {
	return &registration.Document{
		ClientID: "https://conformance-test.local/client-metadata.json",
		Metadata: registration.Metadata{ClientName: "countersign", TokenEndpointAuthMethod: "none",
			RedirectURIs: []string{"http://127.0.0.1/callback"}, GrantTypes: []string{"authorization_code", "refresh_token"}},
	}
}

// trust accepts the runner's servers.
func trust(context.Context, string) bool { return true }

func (s *scenario) auth() (auth.Method, error) {
	switch {
	case s.PrivateKeyPEM != "":
		key, err := s.key()
		return auth.PrivateKeyJWT(auth.SigningKey{Key: key, Alg: s.SigningAlgorithm}, auth.Assertion{}), err
	case s.ClientSecret != "":
		return auth.Secret(s.ClientSecret), nil
	}
	return auth.Public(), nil
}

func (s *scenario) key() (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(s.PrivateKeyPEM))
	if block == nil {
		return nil, errors.New("private_key_pem is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private_key_pem is a %T", key)
	}
	return signer, nil
}

// setGrant selects the grant of the scenario. A login is the default.
func (s *scenario) setGrant(name string, config *mcpauth.Config) error {
	switch name {
	case "auth/client-credentials-jwt", "auth/client-credentials-basic":
		config.Grant = grant.ClientCredentials
	case "auth/wif-jwt-bearer":
		config.Registered = func(string) (client.Config, bool) { // the extension has no client IDs
			return client.Config{ClientID: "workload", Auth: auth.Anonymous()}, true
		}
		config.Grant = mcpauth.Workload(func(context.Context, string) (string, error) { return s.ValidJWT, nil })
	case "auth/enterprise-managed-authorization":
		idp, err := client.New(client.Config{Issuer: s.IdPIssuer, ClientID: s.IdPClientID, Auth: auth.Public()})
		if err != nil {
			return err
		}
		config.Grant = mcpauth.EnterpriseManaged(idp, func(context.Context) (crossapp.Subject, error) {
			return crossapp.Subject{Token: s.IdPIDToken}, nil
		})
	}
	return nil
}

// visit acts as the user's browser. It follows the redirects to the application's port.
func visit(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err
}
