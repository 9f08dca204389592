package grant

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	strict "github.com/go-json-experiment/json"
)

// FuzzPing: a ping is accepted only with the token of its login, and never contains tokens.
func FuzzPing(f *testing.F) {
	for _, s := range []string{
		`{"auth_req_id":"a"}`, `{"auth_req_id":"a","x":[]}`, `{"auth_req_id":"a","auth_req_id":"b"}`, `{"auth_req_id":7}`, `{"Auth_Req_ID":"a"}`,
		`{"auth_req_id":"a","access_token":"b"}`, `{"auth_req_id":"a","id_token":null}`, `{}`, `null`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := readAuthReqID(body)
		if err != nil {
			if len(err.Error()) > 1024 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		var members map[string]any
		if json.Unmarshal(body, &members) != nil || members["auth_req_id"] != id || id == "" || members["access_token"] != nil || members["id_token"] != nil {
			t.Errorf("%q was taken for %q", body, id)
		}
	})
}

// FuzzDeviceResponse: accepted texts are printable, accepted addresses are https, and the polling
// has an end.
func FuzzDeviceResponse(f *testing.F) {
	for _, s := range []string{
		`{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://as.example/activate","expires_in":1800,"interval":5}`,
		`{"device_code":"d","user_code":"ABCD EFGH","verification_url":"https://as.example/device","expires_in":"60"}`,
		`{"device_code":"d","user_code":"A","verification_uri":"http://127.0.0.1:8080/a","verification_uri_complete":"https://as.example/?c=A","expires_in":1e3}`,
		`{"device_code":"d","user_code":"\u001b[31mA","verification_uri":"https://as.example","expires_in":60}`,
		`{"device_code":"d","user_code":"A\u202eB","verification_uri":"https://as.example","expires_in":60}`,
		`{"device_code":"d","user_code":"A","verification_uri":"javascript:alert(1)","expires_in":60}`,
		`{"device_code":"d","user_code":"A","verification_uri":"https://as.example","expires_in":5,"interval":1e9}`, `{"error":"invalid_client"}`, `null`,
	} {
		f.Add([]byte(s))
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, body []byte) {
		var answer deviceResponse
		err := strict.Unmarshal(body, &answer)
		var d *Device
		if err == nil {
			d, err = answer.device(now)
		}
		if err != nil {
			if len(err.Error()) > 1024 || strings.ContainsAny(err.Error(), "\r\n\x1b\x00") {
				t.Errorf("the error is %q", err)
			}
			return
		}
		for _, shown := range []string{d.UserCode, d.VerificationURI, d.VerificationURIComplete} {
			if strings.IndexFunc(shown, func(r rune) bool { return r < 0x20 || r > 0x7e }) >= 0 {
				t.Errorf("%q would be shown", shown)
			}
		}
		if u, err := url.Parse(d.VerificationURI); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			t.Errorf("the user would be sent to %q", d.VerificationURI)
		}
		if left := d.Expiry.Sub(now); d.DeviceCode == "" || d.UserCode == "" || d.Interval < time.Second || left <= 0 || left > 24*time.Hour {
			t.Errorf("%q gives %+v", body, *d)
		}
	})
}
