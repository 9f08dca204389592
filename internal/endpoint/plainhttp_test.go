package endpoint_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// TestPlainHTTP: a server that has no TLS is a mistake that remains. A server that only
// quotes the text about it is not.
func TestPlainHTTP(t *testing.T) {
	for _, test := range []struct {
		name, scheme, response string
		lasting                bool
	}{
		{"HTTP", "https", "HTTP/1.1 400 Bad Request\r\n\r\n", true},
		{"another protocol", "https", "220 mail.example ESMTP\r\n", true},
		{"quoted", "http", "HTTP/1.1 200 OK\r\nserver gave HTTP response to HTTPS client\r\n\r\n", false},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Read(make([]byte, 4096))
				io.WriteString(c, test.response)
				c.Close()
			}
		}()
		_, err = get(t, test.scheme+"://"+l.Addr().String())
		var lasting interface{ Configuration() bool }
		if err == nil || !errors.As(err, &lasting) || lasting.Configuration() != test.lasting {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "does not speak TLS") != test.lasting {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
