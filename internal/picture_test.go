package internal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/png"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery/issuertest"
)

// TestPictureOfREADME: the picture shows the 14 steps with their current texts and results. The
// texts are a comment in the file. After a change of a text, make browser writes the new picture to
// .cache/browser/readme.png.
func TestPictureOfREADME(t *testing.T) {
	file := read(t, "../docs/images/quickstart.png")
	picture, err := png.DecodeConfig(strings.NewReader(file))
	if err != nil || picture.Width != 1280 || picture.Height < 1000 {
		t.Fatalf("%+v, %v", picture, err)
	}
	issuer := issuertest.New(t, issuertest.Config{})
	c := webClient(t, issuer, nil)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Finish(t.Context(), pending, issuer.SignIn(t, redirect))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, s := range tokens.Report.Steps {
		want = append(want, fmt.Sprintf("%d | %s | %s", s.Number, s.Test, s.Result))
	}
	if got := comment(t, []byte(file)); got != strings.Join(want, "\n") {
		t.Errorf("the picture shows\n%s\nexpected\n%s\nrun make browser, and copy .cache/browser/readme.png", got, strings.Join(want, "\n"))
	}
}

// comment returns the first text of a PNG.
func comment(t *testing.T, file []byte) string {
	t.Helper()
	for rest := file[8:]; len(rest) > 12; {
		size := int(binary.BigEndian.Uint32(rest))
		kind, data := string(rest[4:8]), rest[8:8+size]
		if text, found := bytes.CutPrefix(data, []byte("Comment\x00")); kind == "tEXt" && found {
			return string(text)
		}
		rest = rest[12+size:]
	}
	t.Fatal("the picture has no comment")
	return ""
}
