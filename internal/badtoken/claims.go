package badtoken

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// payloads returns tokens whose payload is not exactly one JSON object: RFC 7519 §4, §7.2,
// RFC 8725 §3.7.
func payloads(b Base) []Case {
	h, c := b.header(), b.claims()
	open := strings.TrimSuffix(c, "}")
	tokens := map[string]string{}
	for name, payload := range map[string]string{
		"null": "null", "an array": "[" + c + "]", "a string": `"x"`, "a number": "1", "empty": "", "an empty object": "{}", "text": "hello",
		"trailing bytes": c + "x", "a trailing brace": c + "}", "a trailing NUL": c + "\x00", "two objects": c + c, "a trailing comma": open + ",}", "not closed": open,
		"a comment": open + "/*x*/}", "after a BOM": "\ufeff" + c, "UTF-16": utf16(c),
		"sub twice": open + `,"sub":"admin"}`, "sub twice by escape": open + `,"s\u0075b":"admin"}`, "iss twice": open + `,"iss":"https://evil.example"}`, "exp twice": open + `,"exp":9999999999}`,
		"a member twice, deep": open + `,"x":{"a":1,"a":2}}`, "a member twice, in an array": open + `,"x":[{"a":1,"a":2}]}`,
		"invalid UTF-8": open + ",\"x\":\"\xff\"}", "an overlong NUL": open + ",\"x\":\"\xc0\x80\"}", "half a surrogate": open + `,"x":"\udc00"}`, "a raw line break": open + ",\"x\":\"a\nb\"}",
		"NaN": open + `,"x":NaN}`, "Infinity": open + `,"x":Infinity}`, "hexadecimal": open + `,"x":0x10}`, "a leading zero": open + `,"x":01}`, "a leading plus": open + `,"x":+1}`,
		"17 deep": open + `,"x":` + repeat("[", 17) + repeat("]", 17) + "}", "5,000 deep": open + `,"x":` + repeat(`{"a":`, 2000) + "1" + repeat("}", 2000) + "}",
		"300 members": open + members(300) + "}", "a number of 1,000 digits": open + `,"x":` + repeat("9", 1000) + "}", "a nested JWT": b.Good(),
		"all names in capitals": capitals(b.Claims), "all names with a capital": titles(b.Claims),
	} {
		tokens[name] = b.raw(h, payload)
	}
	tokens["of a token that is signed twice"] = b.Key.SignRaw([]byte(strings.TrimSuffix(h, "}")+`,"cty":"JWT"}`), []byte(b.Good()))
	return unreadable(list("payload", tokens))
}

func capitals(claims map[string]any) string { return renamed(claims, strings.ToUpper) }

func titles(claims map[string]any) string {
	return renamed(claims, func(s string) string { return strings.ToUpper(s[:1]) + s[1:] })
}

func renamed(claims map[string]any, f func(string) string) string {
	out := map[string]any{}
	for name, value := range claims {
		out[f(name)] = value
	}
	return text(out)
}

// claims returns tokens with wrong claims.
func claims(b Base) []Case {
	iss, _ := b.Claims["iss"].(string)
	now := int64(b.Claims["iat"].(int64))
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	values := map[string]map[string]any{
		"iss": {
			"missing": nil, "null": raw("null"), "empty": "", "of another": "https://evil.example", "with a slash": iss + "/", "with a space": iss + " ", "with a port": iss + ":443",
			"with a NUL": iss + "\x00", "with user info": strings.Replace(iss, "://", "://evil@", 1), "a prefix": iss[:len(iss)-1], "in capitals": strings.ToUpper(iss), "without scheme": strings.SplitN(iss, "://", 2)[1],
			"an array": []string{iss}, "a number": 1, "an object": map[string]any{"iss": iss}, "longer": iss + ".evil.example", "of 10 KiB": repeat("x", 10<<10),
		},
		"aud": {
			"missing": nil, "null": raw("null"), "empty": "", "an empty array": []string{}, "of another": "other", "a number": 1, "an object": map[string]any{}, "true": true,
			"mixed": []any{b.Claims["aud"], 1}, "with null": []any{b.Claims["aud"], nil}, "nested": []any{[]any{b.Claims["aud"]}}, "a list in a string": "x y", "of a thousand": many(200),
		},
		"exp": {
			"missing": nil, "null": raw("null"), "a string": sprint("%d", now+60), "true": true, "an array": []int64{now + 60}, "an object": map[string]any{}, "0": 0, "below 0": -1, "an hour ago": now - 3600,
			"1": 1, "in a century": now + 100*365*86400, "2^53": raw("9007199254740992"), "2^64": raw("18446744073709551616"), "1e400": raw("1e400"), "-1e400": raw("-1e400"), "in milliseconds": (now + 60) * 1000,
			"a date": time.Unix(now+60, 0).Format(time.RFC3339),
		},
		"iat": {
			"missing": nil, "null": raw("null"), "a string": sprint("%d", now), "true": true, "0": 0, "below 0": -1, "in an hour": now + 3600, "1e400": raw("1e400"), "in milliseconds": now * 1000, "an array": []int64{now},
		},
		"nbf": {"in an hour": now + 3600, "a string": sprint("%d", now), "true": true, "null": raw("null"), "1e400": raw("1e400")},
		"sub": {"missing": nil, "null": raw("null"), "empty": "", "a number": 1, "an array": []string{"alice"}, "an object": map[string]any{"sub": "alice"}, "true": true},
	}
	tokens := map[string]string{}
	for claim, all := range values {
		if slices.Contains(b.Without, claim) {
			continue
		}
		for name, value := range all {
			if absent := name == "missing" || name == "null" || name == "empty"; absent && slices.Contains(b.Optional, claim) {
				continue
			}
			tokens[claim+" "+name] = b.sign(nil, map[string]any{claim: value})
		}
	}
	return unreadable(list("claims", tokens))
}

func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = sprint("audience-%d", i)
	}
	return out
}
