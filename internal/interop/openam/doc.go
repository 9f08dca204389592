// Package openam contains tests against OpenAM, an open source server that is related to
// PingOne Advanced Identity Cloud. The script run starts the server, see make openam. Without
// the server the tests are skipped.
package openam
