package badtoken

import (
	"encoding/base64"
	"net/url"
	"strings"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// forms returns tokens that are malformed before decoding: RFC 7515 §3.1, §7.1, §2.
func forms(b Base) []Case {
	good := b.Good()
	parts := strings.Split(good, ".")
	h, p, s := parts[0], parts[1], parts[2]
	cases := map[string]string{
		"empty": "", "a space": " ", "one part": h, "two parts": h + "." + p, "four parts": good + ".x", "four parts, one empty": good + ".",
		"six parts": good + ".a.b.c", "dots": "..", "a thousand dots": repeat(".", 1000), "a million dots": repeat(".", 1<<20),
		"no header": "." + p + "." + s, "no payload": h + ".." + s, "no signature": h + "." + p + ".",
		"no signature and no dot": h + "." + p, "a leading dot": "." + good,
		"a leading space": " " + good, "a trailing space": good + " ", "a trailing line break": good + "\n", "a trailing NUL": good + "\x00",
		"in quotes": `"` + good + `"`, "with its scheme": "Bearer " + good, "after a BOM": "\ufeff" + good,
		"in percent encoding": url.QueryEscape(good + "="), "dots in percent encoding": strings.ReplaceAll(good, ".", "%2E"),
		"fullwidth dots": strings.ReplaceAll(good, ".", "．"),
		"twice":          good + "," + good, "twice with a space": good + " " + good,
		"flattened JSON": sprint(`{"protected":%q,"payload":%q,"signature":%q}`, h, p, s),
		"general JSON":   sprint(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p, h, s),
		"17 KiB":         h + "." + p + "." + repeat("A", 17<<10), "a header of 5 KiB": b.raw(`{"alg":"`+b.Key.Alg+`","kid":"`+b.Key.ID+`","x":"`+repeat("x", 5<<10)+`"}`, b.claims()),
		"1 MiB": repeat("A", 1<<20), "1 MiB in three parts": repeat("A", 1<<18) + "." + repeat("A", 1<<19) + "." + repeat("A", 1<<18),
		"standard alphabet": base64.RawStdEncoding.EncodeToString([]byte(b.header()+"   ?>?>")) + "." + p + "." + s,
	}
	for i, name := range []string{"header", "payload", "signature"} {
		for what, part := range map[string]string{
			"padded": parts[i] + "=", "padded twice": parts[i] + "==",
			"with a line feed": parts[i][:4] + "\n" + parts[i][4:], "with CR LF": parts[i][:4] + "\r\n" + parts[i][4:],
			"with a space": parts[i][:4] + " " + parts[i][4:], "with a tab": parts[i][:4] + "\t" + parts[i][4:],
			"with a plus": parts[i][:4] + "+" + parts[i][5:], "with a slash": parts[i][:4] + "/" + parts[i][5:],
			"with a question mark": parts[i][:4] + "?" + parts[i][5:], "with a NUL": parts[i][:4] + "\x00" + parts[i][5:],
			"beyond ASCII": parts[i][:4] + "é" + parts[i][5:], "of a length that cannot be": parts[i] + repeat("A", (5-len(parts[i])%4)%4),
		} {
			changed := append([]string(nil), parts...)
			changed[i] = part
			cases[name+" "+what] = strings.Join(changed, ".")
		}
	}
	if loose := nonCanonical(s); loose != "" {
		cases["signature with loose bits"] = h + "." + p + "." + loose
	}
	if loose := nonCanonical(p); loose != "" {
		cases["payload with loose bits"] = h + "." + loose + "." + b64Signature(b, h+"."+loose)
	}
	large := map[string]string{"a payload of 20 KiB": b.sign(nil, map[string]any{"padding": repeat("x", 20<<10)})}
	return append(list("form", cases), unreadable(list("form", large))...)
}

// nonCanonical changes the unused trailing bits of a part.
func nonCanonical(part string) string {
	if len(part)%4 == 0 {
		return ""
	}
	last := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[last|1])
}
