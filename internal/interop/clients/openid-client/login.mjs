// A login by openid-client, as its documentation shows it: node login.mjs ISSUER ID SECRET.
// It prints the subject of the user.
import * as client from 'openid-client'

const [issuer, id, secret] = process.argv.slice(2)
const redirect_uri = 'https://app.example/callback'

const config = await client.discovery(new URL(issuer), id, secret)
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const redirect = client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope: 'openid profile',
  state: expectedState,
  nonce: expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
})
const response = await fetch(redirect, { redirect: 'manual' })
const callback = new URL(response.headers.get('location'))
const tokens = await client.authorizationCodeGrant(config, callback, {
  pkceCodeVerifier,
  expectedState,
  expectedNonce,
  idTokenExpected: true,
})
const { sub } = tokens.claims()
await client.fetchUserInfo(config, tokens.access_token, sub)
console.log(sub)
