package authzen_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/authzen"
	"github.com/countersign/countersign/rs/rstest"
)

// A route for which a policy decision point decides. Here it allows only alice.
func ExamplePDP_Require() {
	decisions := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked authzen.Evaluation
		err := json.NewDecoder(r.Body).Decode(&asked)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]bool{"decision": err == nil && asked.Subject.ID == "alice"})
	}))
	defer decisions.Close()

	pdp := &authzen.PDP{URL: decisions.URL}
	guard := pdp.Require(func(r *http.Request, who *rs.Principal) ([]authzen.Evaluation, error) {
		return []authzen.Evaluation{{
			Subject: authzen.User(who), Action: authzen.Action{Name: "read"}, Resource: authzen.Resource{Type: "photo", ID: "1"},
		}}, nil
	})
	photo := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, subject := range []string{"alice", "bob"} {
		w := httptest.NewRecorder()
		guard(photo).ServeHTTP(w, rstest.With(httptest.NewRequest(http.MethodGet, "/photos/1", nil), rstest.Principal{Subject: subject}))
		fmt.Println(subject, w.Code)
	}
	// Output:
	// alice 200
	// bob 403
}
