package issuertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Fault is one way in which a response is wrong.
type Fault string

// The faults of the ID token, at least one for each of the 14 validation steps. The number is
// the step, as in package idtoken.
const (
	IDTokenUnreadable       Fault = "id_token_unreadable"         // 1: not a JWT
	IDTokenTyp              Fault = "id_token_typ"                // 1: typ is at+jwt, an access token's
	IDTokenDuplicateClaim   Fault = "id_token_duplicate_claim"    // 1: the claim sub appears twice
	IDTokenCritical         Fault = "id_token_critical"           // 1: crit names an unknown extension
	IDTokenIssuerForeign    Fault = "id_token_issuer_foreign"     // 2: iss is another issuer
	IDTokenSubjectMissing   Fault = "id_token_subject_missing"    // 2: no sub
	IDTokenAudienceForeign  Fault = "id_token_audience_foreign"   // 3: aud is another client
	IDTokenAudienceMore     Fault = "id_token_audience_more"      // 3: aud also has an unknown audience
	IDTokenPartyMissing     Fault = "id_token_party_missing"      // 4: aud also has OtherAudience, without azp
	IDTokenPartyForeign     Fault = "id_token_party_foreign"      // 5: azp is another client
	IDTokenSignatureWrong   Fault = "id_token_signature_wrong"    // 6: a bit of the signature is flipped
	IDTokenKeySwapped       Fault = "id_token_key_swapped"        // 6: signed with an unpublished key under the published kid
	IDTokenAlgorithmNone    Fault = "id_token_algorithm_none"     // 1: alg "none", no signature: not a signed JWT
	IDTokenAlgorithmPublic  Fault = "id_token_algorithm_public"   // 7: HS256 with the public key as the secret
	IDTokenKeyForeign       Fault = "id_token_key_foreign"        // 8: kid and key are not published
	IDTokenKeyEmbedded      Fault = "id_token_key_embedded"       // 8: the header carries the unpublished key (jwk)
	IDTokenExpired          Fault = "id_token_expired"            // 9: exp is an hour ago
	IDTokenExpiryMissing    Fault = "id_token_expiry_missing"     // 9: no exp
	IDTokenIssuedInFuture   Fault = "id_token_issued_in_future"   // 10: iat is an hour ahead
	IDTokenIssuedLongAgo    Fault = "id_token_issued_long_ago"    // 10: iat is 30 days ago
	IDTokenNotYetValid      Fault = "id_token_not_yet_valid"      // 10: nbf is an hour ahead
	IDTokenNonceWrong       Fault = "id_token_nonce_wrong"        // 11: another nonce
	IDTokenNonceMissing     Fault = "id_token_nonce_missing"      // 11: no nonce
	IDTokenACRWrong         Fault = "id_token_acr_wrong"          // 12: an acr that was not requested; needs acr_values
	IDTokenAuthTimeOld      Fault = "id_token_auth_time_old"      // 13: auth_time is 30 days ago; needs max_age
	IDTokenAuthTimeMissing  Fault = "id_token_auth_time_missing"  // 13: no auth_time; needs max_age
	IDTokenAccessTokenOther Fault = "id_token_access_token_other" // 14: at_hash belongs to another access token
	IDTokenCodeOther        Fault = "id_token_code_other"         // 14: c_hash belongs to another code
)

// Faults of the authorization response.
const (
	CallbackStateWrong     Fault = "callback_state_wrong"     // another state
	CallbackStateMissing   Fault = "callback_state_missing"   // no state
	CallbackIssuerForeign  Fault = "callback_issuer_foreign"  // iss is another issuer, RFC 9207 §2.4
	CallbackIssuerMissing  Fault = "callback_issuer_missing"  // no iss, though the metadata announces it
	CallbackCodeMissing    Fault = "callback_code_missing"    // no code and no error
	CallbackCodeTwice      Fault = "callback_code_twice"      // the parameter code appears twice
	CallbackCodeUsed       Fault = "callback_code_used"       // the code was redeemed before
	CallbackDenied         Fault = "callback_denied"          // error=access_denied
	CallbackServerError    Fault = "callback_server_error"    // error=server_error
	CallbackResponseKey    Fault = "callback_response_key"    // JARM: signed with an unpublished key
	CallbackResponseIssuer Fault = "callback_response_issuer" // JARM: iss is another issuer
	CallbackResponseClient Fault = "callback_response_client" // JARM: aud is another client
	CallbackResponseOld    Fault = "callback_response_old"    // JARM: exp is an hour ago
	CallbackResponsePlain  Fault = "callback_response_plain"  // JARM: plain parameters instead
)

// Faults of the token response, and of responses about users and tokens.
const (
	TokenTypeMissing        Fault = "token_type_missing"        // no token_type
	TokenTypeUnknown        Fault = "token_type_unknown"        // token_type is mac
	TokenTypeBearer         Fault = "token_type_bearer"         // Bearer where DPoP was requested
	TokenAccessMissing      Fault = "token_access_missing"      // no access_token
	TokenIDMissing          Fault = "token_id_missing"          // no id_token
	TokenDuplicateMember    Fault = "token_duplicate_member"    // access_token appears twice
	TokenErrorWithStatusOK  Fault = "token_error_with_200"      // an error with status 200
	RefreshOtherUser        Fault = "refresh_other_user"        // a refresh returns the ID token of another user
	UserInfoOtherUser       Fault = "userinfo_other_user"       // sub is another user
	UserInfoSubjectMissing  Fault = "userinfo_subject_missing"  // no sub
	MetadataIssuerForeign   Fault = "metadata_issuer_foreign"   // issuer is another issuer
	MetadataEndpointsPlain  Fault = "metadata_endpoints_plain"  // the token endpoint is http on another host
	PushedURIMissing        Fault = "pushed_uri_missing"        // PAR without request_uri
	IntrospectionInactive   Fault = "introspection_inactive"    // active is false
	IntrospectionActiveText Fault = "introspection_active_text" // active is the string "true"
	AccessTokenExpired      Fault = "access_token_expired"      // exp is an hour ago
	AccessTokenIssuer       Fault = "access_token_issuer"       // iss is another issuer
	AccessTokenAudience     Fault = "access_token_audience"     // aud is another API
	AccessTokenKeySwapped   Fault = "access_token_key_swapped"  // signed with an unpublished key under the published kid
	AccessTokenUnbound      Fault = "access_token_unbound"      // no cnf, although the client proved a key
	LogoutTokenNonce        Fault = "logout_token_nonce"        // a nonce, which makes it look like an ID token
	LogoutTokenExpired      Fault = "logout_token_expired"      // exp is an hour ago
	LogoutTokenAudience     Fault = "logout_token_audience"     // aud is another client
	LogoutTokenEvents       Fault = "logout_token_events"       // no events
	LogoutTokenKeySwapped   Fault = "logout_token_key_swapped"  // signed with an unpublished key under the published kid
	DPoPNonceRequired       Fault = "dpop_nonce_required"       // the first request without a nonce is answered use_dpop_nonce
	PollSlowDown            Fault = "poll_slow_down"            // the first poll is answered slow_down
	PollPending             Fault = "poll_pending"              // every poll is answered authorization_pending
	PollExpired             Fault = "poll_expired"              // every poll is answered expired_token
)

// Faults of any HTTP response. They apply to the token endpoint, unless [Fault.At] selects
// another endpoint.
const (
	Slow        Fault = "slow"         // the response comes after Config.Delay
	HangUp      Fault = "hang_up"      // the connection ends without a response
	Truncated   Fault = "truncated"    // the connection ends in the middle of the body
	Redirecting Fault = "redirecting"  // 307 to an address that would answer
	HTML        Fault = "html"         // an HTML page with status 200
	NotJSON     Fault = "not_json"     // a body that is not JSON, labelled as JSON
	Empty       Fault = "empty"        // status 200 without a body
	TooLarge    Fault = "too_large"    // the response and 8 MB of white space
	ServerError Fault = "server_error" // status 500
	Unavailable Fault = "unavailable"  // status 503 with Retry-After: 1
)

// OtherAudience is the second audience of IDTokenPartyMissing. A client must trust it for the
// fault to reach step 4.
const OtherAudience = "https://other-client.example"

const foreignIssuer = "https://other-issuer.example"

// At applies an HTTP fault to another endpoint: Slow.At(UserInfoEndpoint).
func (f Fault) At(e Endpoint) Fault { return Fault(string(f) + "@" + string(e)) }

// Step returns the step of ID token validation at which a client rejects the fault. It
// returns 0 for faults of other responses.
func (f Fault) Step() int { return steps[f] }

var steps = map[Fault]int{
	IDTokenUnreadable: 1, IDTokenTyp: 1, IDTokenDuplicateClaim: 1, IDTokenCritical: 1,
	IDTokenIssuerForeign: 2, IDTokenSubjectMissing: 2, IDTokenAudienceForeign: 3, IDTokenAudienceMore: 3,
	IDTokenPartyMissing: 4, IDTokenPartyForeign: 5, IDTokenSignatureWrong: 6, IDTokenKeySwapped: 6,
	IDTokenAlgorithmNone: 1, IDTokenAlgorithmPublic: 7, IDTokenKeyForeign: 8, IDTokenKeyEmbedded: 8,
	IDTokenExpired: 9, IDTokenExpiryMissing: 9, IDTokenIssuedInFuture: 10, IDTokenIssuedLongAgo: 10, IDTokenNotYetValid: 10,
	IDTokenNonceWrong: 11, IDTokenNonceMissing: 11, IDTokenACRWrong: 12, IDTokenAuthTimeOld: 13, IDTokenAuthTimeMissing: 13,
	IDTokenAccessTokenOther: 14, IDTokenCodeOther: 14,
}

// idTokenFaults are in the order of the constants.
var idTokenFaults = []Fault{
	IDTokenUnreadable, IDTokenTyp, IDTokenDuplicateClaim, IDTokenCritical, IDTokenIssuerForeign, IDTokenSubjectMissing,
	IDTokenAudienceForeign, IDTokenAudienceMore, IDTokenPartyMissing, IDTokenPartyForeign, IDTokenSignatureWrong,
	IDTokenKeySwapped, IDTokenAlgorithmNone, IDTokenAlgorithmPublic, IDTokenKeyForeign, IDTokenKeyEmbedded, IDTokenExpired,
	IDTokenExpiryMissing, IDTokenIssuedInFuture, IDTokenIssuedLongAgo, IDTokenNotYetValid, IDTokenNonceWrong,
	IDTokenNonceMissing, IDTokenACRWrong, IDTokenAuthTimeOld, IDTokenAuthTimeMissing, IDTokenAccessTokenOther, IDTokenCodeOther,
}

var responseFaults = []Fault{
	CallbackStateWrong, CallbackStateMissing, CallbackIssuerForeign, CallbackIssuerMissing, CallbackCodeMissing,
	CallbackCodeTwice, CallbackCodeUsed, CallbackDenied, CallbackServerError, CallbackResponseKey, CallbackResponseIssuer,
	CallbackResponseClient, CallbackResponseOld, CallbackResponsePlain, TokenTypeMissing, TokenTypeUnknown, TokenTypeBearer,
	TokenAccessMissing, TokenIDMissing, TokenDuplicateMember, TokenErrorWithStatusOK, RefreshOtherUser, UserInfoOtherUser,
	UserInfoSubjectMissing, MetadataIssuerForeign, MetadataEndpointsPlain, PushedURIMissing, IntrospectionInactive,
	IntrospectionActiveText, AccessTokenExpired, AccessTokenIssuer, AccessTokenAudience, AccessTokenKeySwapped,
	AccessTokenUnbound, LogoutTokenNonce, LogoutTokenExpired, LogoutTokenAudience, LogoutTokenEvents, LogoutTokenKeySwapped,
	DPoPNonceRequired, PollSlowDown, PollPending, PollExpired,
}

var httpFaults = []Fault{Slow, HangUp, Truncated, Redirecting, HTML, NotJSON, Empty, TooLarge, ServerError, Unavailable}

// Faults returns all faults: those of the ID token in the order of the steps, those of single
// responses, and those of HTTP.
func Faults() []Fault { return slices.Concat(idTokenFaults, responseFaults, httpFaults) }

// check returns an error for an unknown fault, so that a misspelled fault does not make a
// test pass.
func (f Fault) check() error {
	name, endpoint, at := strings.Cut(string(f), "@")
	if at && (!slices.Contains(httpFaults, Fault(name)) || !slices.Contains(endpoints, Endpoint(endpoint))) {
		return fmt.Errorf("issuertest: %q is not a fault: At is for faults of HTTP and an Endpoint", f)
	}
	if !at && !slices.Contains(Faults(), f) {
		return fmt.Errorf("issuertest: %q is not a fault", f)
	}
	return nil
}

// faults are the faults that are currently injected.
type faults struct {
	mu  sync.Mutex
	set map[Fault]bool
}

func (s *faults) inject(list []Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[Fault]bool{}
	}
	for _, f := range list {
		s.set[f] = true
	}
}

func (s *faults) has(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set[f]
}

// take is like has, but for a fault that happens once.
func (s *faults) take(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.set[f]
	delete(s.set, f)
	return was
}

// at returns the HTTP faults at an endpoint.
func (s *faults) at(e Endpoint) map[Fault]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[Fault]bool{}
	for _, f := range httpFaults {
		if s.set[f.At(e)] || e == TokenEndpoint && s.set[f] {
			found[f] = true
		}
	}
	return found
}

// Inject injects faults until Behave is called. It panics if a fault is unknown.
func (i *Issuer) Inject(list ...Fault) {
	for _, f := range list {
		if err := f.check(); err != nil {
			panic(err)
		}
	}
	i.faults.inject(list)
}

// Behave removes the given faults, or all of them if none is given.
func (i *Issuer) Behave(list ...Fault) {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	if len(list) == 0 {
		clear(i.faults.set)
	}
	for _, f := range list {
		delete(i.faults.set, f)
	}
}
