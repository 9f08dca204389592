package idtoken_test

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
)

// sample is the ID token of the Basic Client Profile.
const sample = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjRvaXU4In0.eyJzdWIiOiJuZnlmZSIsImF1ZCI6ImFjX29pY19jbGllbnQiLCJqdGkiOiJIR1Awdnlxbm" +
	"gwOVBjQ3MzenBHbUVsIiwiaXNzIjoiaHR0cHM6XC9cL3Nzby5tZXljbG91ZC5uZXQ6OTAzMSIsImlhdCI6MTM5MzczMDM4MCwiZXhwIjoxMzkz" +
	"NzMwNjgwfQ.EQeAm84Xj2lekxUMSK9H3BvoCl511JV1TWHCyQQ7vTnXcuvZYdBHE9_OpIr9gD5OHjoDrOhwVEjKUqvwwGhzBPNEueeY8bUgkTf" +
	"IBKzUUJETSeaO1U8uH9Td0QYv7q3rRfurLhrpzubFbAIfjPOiv8jxgBjMyGEdPJ7aXtBwP_cr2RxMUzg_iBRA4cD8c4PwEOROr0T-xKnwZcocD" +
	"Zs_rYAOHFljLPgO2tX8BBePJfqUUUG46U1K4hSqo7LP3zru4BDE2wNbZyOhb2keeLjetNq2ES33YthNU9dkmHUgbtoD-Ji7kYnMaij3ta1OyLS" +
	"B_HB-NbhQCKvjm4GT9ocm0w"

// otherKeys is a key set with the right kid and the wrong key.
const otherKeys = `{"keys": [{"kty": "RSA", "kid": "4oiu8", "e": "AQAB", "n": "` +
	"p2w5knhv5nIReybtoGi8tkbd9XnEkanywHgqKIF6fTtZdVmmlizT9IpEDiXvCGtlt4aLHQSwq3gM0-eZwpcokhESjxD9qkEdmG0J6Qfc3-2Emo" +
	"tNiaSzI2Zaz16Cgh5rOsmdHzMP7kTHFt6elRGd5XzCD9O5AQDB7IWrP5Uly0kPqJ_xhx9uyaUnj2lDfSJlooGIPlxv3Tg2Nf4DIHekK7VcZ9iM" +
	"yuILadKnqJnOkMyenv1eZBoGmuKYY4GEIFCKDHdmpAVfgkkp1zvgqxCHJ3Wms-4QTkDLLN4uQNPkp8tPe27f70IjPwSWgA9qZrlV9t8E-OQ-L4" +
	"btrb2eqCeVJw" +
	`"}]}`

// Check the Basic Client Profile's own token, at the time of its issue. The results of the steps
// are quoted from that document: "Valid", or the reason and "skip test". The document does not
// check the signature, because the token came from the token endpoint.
func ExampleVerifier_Check() {
	v := &idtoken.Verifier{
		Issuer:                "https://sso.meycloud.net:9031",
		ClientID:              "ac_oic_client",
		Keys:                  noKeys{},
		InsecureSkipSignature: true,
		Now:                   func() time.Time { return time.Unix(1393730380, 0) },
	}
	token, report := v.Check(context.Background(), sample, idtoken.Expected{FromTokenEndpoint: true})
	fmt.Println(token.Subject)
	for _, step := range report.Steps {
		result := "Valid"
		if step.Result != idtoken.Valid {
			result = step.Reason + ", skip test"
		}
		fmt.Println(step.Number, result)
	}
	// Output:
	// nfyfe
	// 1 the token is not encrypted, skip test
	// 2 Valid
	// 3 Valid
	// 4 there is only one audience, skip test
	// 5 the token has no azp, skip test
	// 6 TLS to the token endpoint authenticates the token (InsecureSkipSignature), skip test
	// 7 Valid
	// 8 TLS to the token endpoint authenticates the token (InsecureSkipSignature), skip test
	// 9 Valid
	// 10 Valid
	// 11 the request had no nonce, skip test
	// 12 the token has no acr, and none was requested, skip test
	// 13 the token has no auth_time, and no max_age was requested, skip test
	// 14 the token has no hashes to check, and this flow requires none, skip test
}

// Print the report on the same token as a table. A step that was not checked is "Not applicable"
// if there was nothing to check, and "Skipped" if a setting disabled it.
func ExampleReport() {
	v := &idtoken.Verifier{
		Issuer:                "https://sso.meycloud.net:9031",
		ClientID:              "ac_oic_client",
		Keys:                  noKeys{},
		InsecureSkipSignature: true,
		Now:                   func() time.Time { return time.Unix(1393730380, 0) },
	}
	_, report := v.Check(context.Background(), sample, idtoken.Expected{FromTokenEndpoint: true})
	fmt.Print(report)
	// Output:
	// Step   Test                                                            Result
	// 1      Readable: a signed JWT, decrypted if encryption is configured   Not applicable: the token is not encrypted
	// 2      Issuer (iss) is the configured one; a subject (sub) is named    Valid
	// 3      Audience (aud) contains our client_id and no unknown audience   Valid
	// 4      Several audiences: the authorized party (azp) is named          Not applicable: there is only one audience
	// 5      Authorized party (azp) is our client_id                         Not applicable: the token has no azp
	// 6,7,8  The signature, by a key of the issuer and an allowed algorithm  Skipped: TLS to the token endpoint authenticates the token (InsecureSkipSignature)
	// 9      Not expired (exp)                                               Valid
	// 10     Issued (iat, nbf) not in the future and not too long ago        Valid
	// 11     Nonce matches our request                                       Not applicable: the request had no nonce
	// 12     Authentication context (acr) is a requested one                 Not applicable: the token has no acr, and none was requested
	// 13     Authentication (auth_time) is recent enough                     Not applicable: the token has no auth_time, and no max_age was requested
	// 14     Hashes (at_hash, c_hash, s_hash) match the received values      Not applicable: the token has no hashes to check, and this flow requires none
}

// Check the same token a day later.
func ExampleVerifier_Check_expired() {
	v := &idtoken.Verifier{
		Issuer:                "https://sso.meycloud.net:9031",
		ClientID:              "ac_oic_client",
		Keys:                  noKeys{},
		InsecureSkipSignature: true,
		Now:                   func() time.Time { return time.Unix(1393730380+23*3600, 0) },
	}
	token, report := v.Check(context.Background(), sample, idtoken.Expected{FromTokenEndpoint: true})
	fmt.Println(token)
	fmt.Print(report)
	// Output:
	// <nil>
	// Step   Test                                                            Result
	// 1      Readable: a signed JWT, decrypted if encryption is configured   Not applicable: the token is not encrypted
	// 2      Issuer (iss) is the configured one; a subject (sub) is named    Valid
	// 3      Audience (aud) contains our client_id and no unknown audience   Valid
	// 4      Several audiences: the authorized party (azp) is named          Not applicable: there is only one audience
	// 5      Authorized party (azp) is our client_id                         Not applicable: the token has no azp
	// 6,7,8  The signature, by a key of the issuer and an allowed algorithm  Skipped: TLS to the token endpoint authenticates the token (InsecureSkipSignature)
	// 9      Not expired (exp)                                               Failed: expired at 2014-03-02T03:24:40Z, 22h55m before now (2014-03-03T02:19:40Z): this machine's clock seems to be 23h ahead of the server's clock: synchronize the clocks, or increase Skew (at most 5m)
	// 10     Issued (iat, nbf) not in the future and not too long ago        Valid
	// 11     Nonce matches our request                                       Not applicable: the request had no nonce
	// 12     Authentication context (acr) is a requested one                 Not applicable: the token has no acr, and none was requested
	// 13     Authentication (auth_time) is recent enough                     Not applicable: the token has no auth_time, and no max_age was requested
	// 14     Hashes (at_hash, c_hash, s_hash) match the received values      Not applicable: the token has no hashes to check, and this flow requires none
}

// Check the same token with the keys of another server: a forgery, or a wrong key set.
func ExampleVerifier_Check_forged() {
	keys, err := discovery.StaticKeys([]byte(otherKeys))
	if err != nil {
		panic(err)
	}
	v := &idtoken.Verifier{
		Issuer:   "https://sso.meycloud.net:9031",
		ClientID: "ac_oic_client",
		Keys:     keys,
		Now:      func() time.Time { return time.Unix(1393730380, 0) },
	}
	_, report := v.Check(context.Background(), sample, idtoken.Expected{})
	fmt.Print(report)
	fmt.Println(report.Err())
	// Output:
	// Step   Test                                                            Result
	// 1      Readable: a signed JWT, decrypted if encryption is configured   Not applicable: the token is not encrypted
	// 2      Issuer (iss) is the configured one; a subject (sub) is named    Valid
	// 3      Audience (aud) contains our client_id and no unknown audience   Valid
	// 4      Several audiences: the authorized party (azp) is named          Not applicable: there is only one audience
	// 5      Authorized party (azp) is our client_id                         Not applicable: the token has no azp
	// 6,7,8  The signature, by a key of the issuer and an allowed algorithm  Failed: the signature does not verify: the token was changed, or the server published a new key under an old kid. Compare the issuer, and check the server's JWKS
	// 9      Not expired (exp)                                               Valid
	// 10     Issued (iat, nbf) not in the future and not too long ago        Valid
	// 11     Nonce matches our request                                       Not applicable: the request had no nonce
	// 12     Authentication context (acr) is a requested one                 Not applicable: the token has no acr, and none was requested
	// 13     Authentication (auth_time) is recent enough                     Not applicable: the token has no auth_time, and no max_age was requested
	// 14     Hashes (at_hash, c_hash, s_hash) match the received values      Not applicable: the token has no hashes to check, and this flow requires none
	// id token: step 6, Signature verifies: the signature does not verify: the token was changed, or the server published a new key under an old kid. Compare the issuer, and check the server's JWKS
}

// noKeys is an empty key set, for a verifier that needs no key.
type noKeys struct{}

func (noKeys) VerifySignature(context.Context, string) ([]byte, error) {
	return nil, fmt.Errorf("no key")
}
