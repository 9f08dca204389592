// Package ssf receives security events from an authorization server or identity provider. It
// implements the OpenID Shared Signals Framework 1.0 with the event types of CAEP 1.0 and RISC 1.0.
// An event says, for example, that a session was revoked or that an account was disabled. A
// [Receiver] verifies each event. Its Effects then end the access that the event names: sessions of
// package client/login, tokens at package rs, and anything that the application adds.
//
// Events arrive as Security Event Tokens (SET, RFC 8417), by push (RFC 8935, [Receiver.Handler]) or
// by poll (RFC 8936, [Receiver.Run]). [Receiver.Create] creates a stream of events. A token is
// acknowledged only after all effects have succeeded.
package ssf
