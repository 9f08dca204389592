package openam

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// The configuration of the server. Only these tests can reach it.
const (
	adminPassword = "interop-admin"
	user          = "alice"
	password      = "interop-alice"
	secret        = "interop-client"
	appURL        = "https://app.example"

	sessionCookie = "iPlanetDirectoryPro"
)

// host is the server's name. The script run sets it, and resolves it to loopback.
var host = os.Getenv("COUNTERSIGN_OPENAM")

// TestMain configures the server before the first test.
func TestMain(m *testing.M) {
	if host != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
		if err := configure(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "openam:", err)
			os.Exit(1)
		}
		cancel()
	}
	os.Exit(m.Run())
}

func skipWithout(t *testing.T) {
	t.Helper()
	if host == "" {
		t.Skip("OpenAM does not run here: make openam starts it")
	}
}

// direct follows no redirect.
var direct = &http.Client{Timeout: 5 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}}

// configure waits for a new server, and makes the realms, the clients and the user.
func configure(ctx context.Context) error {
	if err := awaitServer(ctx); err != nil {
		return err
	}
	if err := install(ctx); err != nil {
		return err
	}
	token, err := authenticate(ctx, "", "amadmin", adminPassword)
	if err != nil {
		return err
	}
	a := &admin{token}
	for realm, jwt := range map[string]bool{"alpha": false, "bravo": true} {
		if err := a.realm(ctx, realm, jwt); err != nil {
			return fmt.Errorf("realm %s: %w", realm, err)
		}
	}
	// The realms share the users of the embedded directory.
	_, err = a.call(ctx, http.MethodPost, "/realms/root/realms/alpha/users/?_action=create", object{
		"username": user, "userpassword": password, "mail": user + "@example.com", "givenName": "Alice", "sn": "Liddell", "cn": "Alice Liddell",
	})
	return err
}

func awaitServer(ctx context.Context) error {
	for {
		resp, err := get(ctx, "https://"+host+"/am/isAlive.jsp")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusFound {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("the server does not answer"), err)
		case <-time.After(time.Second):
		}
	}
}

func get(ctx context.Context, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return direct.Do(r)
}

// install answers the questions of the server's configurator. This needs half a minute.
func install(ctx context.Context) error {
	form := url.Values{}
	for name, value := range map[string]string{
		"SERVER_URL": "https://" + host + ":443", "DEPLOYMENT_URI": "/am", "BASE_DIR": os.Getenv("COUNTERSIGN_OPENAM_HOME") + "/am",
		"locale": "en_US", "PLATFORM_LOCALE": "en_US", "AM_ENC_KEY": strings.Repeat("0123456789", 4),
		"ADMIN_PWD": adminPassword, "ADMIN_CONFIRM_PWD": adminPassword,
		"AMLDAPUSERPASSWD": adminPassword + "-2", "AMLDAPUSERPASSWD_CONFIRM": adminPassword + "-2",
		"COOKIE_DOMAIN": host[strings.IndexByte(host, '.')+1:], "ACCEPT_LICENSES": "true", "acceptLicense": "true",
		"DATA_STORE": "embedded", "DIRECTORY_SSL": "SIMPLE", "DIRECTORY_SERVER": host,
		"DIRECTORY_PORT": "50389", "DIRECTORY_ADMIN_PORT": "4444", "DIRECTORY_JMX_PORT": "1689",
		"ROOT_SUFFIX": "dc=openam,dc=example,dc=com", "DS_DIRMGRDN": "cn=Directory Manager", "DS_DIRMGRPASSWD": adminPassword,
	} {
		form.Set(name, value)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+host+"/am/config/configurator", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := direct.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || !bytes.Contains(said, []byte("Configuration complete")) {
		return fmt.Errorf("not configured: %v, %s", err, said)
	}
	return nil
}

// authenticate starts a session by name and password; "" is the root realm.
func authenticate(ctx context.Context, realm, name, password string) (string, error) {
	address := "https://" + host + "/am/json/realms/root"
	if realm != "" {
		address += "/realms/" + realm
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/authenticate", http.NoBody)
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-API-Version", "resource=2.0, protocol=1.0")
	r.Header.Set("X-OpenAM-Username", name)
	r.Header.Set("X-OpenAM-Password", password)
	var answer struct{ TokenID string }
	if err := send(r, &answer); err != nil || answer.TokenID == "" {
		return "", fmt.Errorf("%s is not signed in: %v", name, err)
	}
	return answer.TokenID, nil
}

func send(r *http.Request, into any) error {
	resp, err := direct.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: status %d: %s", r.Method, r.URL.Path, resp.StatusCode, body)
	}
	return json.Unmarshal(body, into)
}

type object map[string]any

// admin is the administrator's session.
type admin struct{ token string }

// call sends JSON to the administration interface.
func (a *admin) call(ctx context.Context, method, path string, body object) (object, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "https://"+host+"/am/json"+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(sessionCookie, a.token)
	var answer object
	return answer, send(r, &answer)
}

// realm makes a realm that is an OpenID provider, and its clients.
func (a *admin) realm(ctx context.Context, name string, jwt bool) error {
	if _, err := a.call(ctx, http.MethodPost, "/global-config/realms?_action=create", object{
		"name": name, "active": true, "parentPath": "/", "aliases": []string{},
	}); err != nil {
		return err
	}
	service := "/realms/root/realms/" + name + "/realm-config/services/oauth-oidc?_action="
	config, err := a.call(ctx, http.MethodPost, service+"template", object{})
	if err != nil {
		return err
	}
	section(config, "coreOAuth2Config")["statelessTokensEnabled"] = jwt
	advanced := section(config, "advancedOAuth2Config")
	advanced["tokenSigningAlgorithm"], advanced["clientsCanSkipConsent"] = "RS256", true
	advanced["supportedScopes"] = []string{"openid", "profile", "email", "write"}
	section(config, "coreOIDCConfig")["supportedClaims"] = []string{"given_name", "email"}
	section(config, "advancedOIDCConfig")["loaMapping"] = object{"silver": "ldapService"}
	if _, err := a.call(ctx, http.MethodPost, service+"create", config); err != nil {
		return err
	}
	for id, changes := range map[string]object{
		"web": {}, "implied": {"isConsentImplied": []string{"true"}},
		"public": {prefix + "clientType": []string{"Public"}, prefix + "tokenEndPointAuthMethod": []string{"client_secret_post"}},
	} {
		if err := a.client(ctx, name, id, changes); err != nil {
			return fmt.Errorf("client %s: %w", id, err)
		}
	}
	return nil
}

func section(config object, name string) map[string]any {
	out, ok := config[name].(map[string]any)
	if !ok {
		out = map[string]any{}
		config[name] = out
	}
	return out
}

// prefix begins the names in a client's registration.
const prefix = "com.forgerock.openam.oauth2provider."

// client registers a client. The newer address of this interface rejects the first client of
// a realm.
func (a *admin) client(ctx context.Context, realm, id string, changes object) error {
	registration := object{
		"username": id, "agenttype": "OAuth2Client", "userpassword": secret,
		prefix + "clientType":               []string{"Confidential"},
		prefix + "redirectionURIs":          []string{"[0]=" + appURL + "/callback"},
		prefix + "postLogoutRedirectURI":    []string{"[0]=" + appURL + "/bye"},
		prefix + "scopes":                   []string{"[0]=openid", "[1]=profile", "[2]=email", "[3]=write"},
		prefix + "claims":                   []string{"[0]=given_name", "[1]=email"},
		prefix + "idTokenSignedResponseAlg": []string{"RS256"},
		prefix + "tokenEndPointAuthMethod":  []string{"client_secret_basic"},
	}
	for name, value := range changes {
		registration[name] = value
	}
	_, err := a.call(ctx, http.MethodPost, "/realms/root/realms/"+realm+"/agents/?_action=create", registration)
	return err
}
