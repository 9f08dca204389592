// Package openam holds tests against OpenAM, the open source relative of PingOne Advanced
// Identity Cloud. The script run starts the server, see make openam; without it the tests are
// skipped.
package openam
