// Package tokens is tokens in use: what an application stores of them ([Stored]), stores and
// leases for many processes, the [Refresher] that refreshes each login once, and the
// [Transport] that sends access tokens to APIs and reads their challenges (RFC 6749 §6, RFC
// 6750, RFC 9449 §7, RFC 9470).
package tokens
