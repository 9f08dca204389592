// Package tokens stores, refreshes and uses tokens. [Stored] is what an application stores.
// Stores and leases serve several processes. The [Refresher] refreshes the tokens of each login
// once. The [Transport] sends access tokens to APIs and reads their challenges (RFC 6749 §6, RFC
// 6750, RFC 9449 §7, RFC 9470).
package tokens
