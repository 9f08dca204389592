// The clients that the server knows. The program keys makes their keys and certificates, in the
// directory COUNTERSIGN_INTEROP_KEYS.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const read = (name) => readFileSync(join(process.env.COUNTERSIGN_INTEROP_KEYS, name));

// A test's browser knows this address without a network: no name is resolved.
const callback = 'https://app.example/callback';
const bye = 'https://app.example/bye';

// These secrets are only for tests. They have characters that must be encoded in a Basic header
// (RFC 6749 §2.3.1).
export const secret = 'interop: 100% +/&=?';
const longSecret = 'interop: what an HMAC is made with has 32 bytes';

const app = {
  client_secret: secret,
  redirect_uris: [callback],
  post_logout_redirect_uris: [bye],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
};

// A client that only introspects, and signs no user in.
const api = { client_secret: secret, redirect_uris: [], grant_types: [], response_types: [] };

const device = ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'];
const ciba = { ...api, grant_types: ['urn:openid:params:grant-type:ciba'], backchannel_token_delivery_mode: 'poll' };

const keys = { jwks: JSON.parse(read('clients.jwks')) };

// encrypted returns the members of a registration for responses that are encrypted to the clients'
// key.
function encrypted(what) {
  return { [`${what}_encrypted_response_alg`]: 'RSA-OAEP-256', [`${what}_encrypted_response_enc`]: 'A256GCM' };
}

const jar = { ...keys, request_object_signing_alg: 'PS256', require_signed_request_object: true };
const jarm = { ...keys, authorization_signed_response_alg: 'PS256' };
const fapi = { ...app, ...keys, client_secret: undefined, id_token_signed_response_alg: 'PS256' };
const fapi2 = {
  ...fapi, token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'PS256',
  dpop_bound_access_tokens: true, require_pushed_authorization_requests: true,
};

const fixed = [
  { ...app, client_id: 'basic', token_endpoint_auth_method: 'client_secret_basic' },
  { ...app, client_id: 'post', token_endpoint_auth_method: 'client_secret_post' },
  { ...app, client_id: 'public', client_secret: undefined, token_endpoint_auth_method: 'none' },
  { ...app, client_id: 'par', require_pushed_authorization_requests: true },
  { ...app, ...keys, client_id: 'private-key-jwt', token_endpoint_auth_method: 'private_key_jwt' },
  { ...app, client_id: 'secret-jwt', client_secret: longSecret, token_endpoint_auth_method: 'client_secret_jwt' },
  { ...app, ...jar, client_id: 'jar' },
  { ...app, ...jar, client_id: 'jar-encrypted', request_object_encryption_alg: 'RSA-OAEP-256' },
  { ...app, ...jarm, client_id: 'jarm' },
  { ...app, ...jarm, client_id: 'jarm-encrypted', ...encrypted('authorization'), ...encrypted('id_token') },
  { ...app, client_id: 'signed-introspection', introspection_signed_response_alg: 'PS256' },
  {
    ...app, ...keys, client_id: 'encrypted-introspection', introspection_signed_response_alg: 'PS256',
    ...encrypted('introspection'),
  },
  { ...app, ...keys, client_id: 'signed-userinfo', userinfo_signed_response_alg: 'PS256' },
  {
    ...app, ...keys, client_id: 'encrypted', ...encrypted('id_token'), ...encrypted('userinfo'),
    id_token_signed_response_alg: 'PS256', userinfo_signed_response_alg: 'PS256',
  },
  { ...app, client_id: 'dpop', dpop_bound_access_tokens: true },
  { ...app, client_id: 'dpop-nonce', dpop_bound_access_tokens: true },
  {
    ...app, client_id: 'hybrid', response_types: ['code id_token'],
    grant_types: ['authorization_code', 'refresh_token', 'implicit'],
  },
  {
    ...app, client_id: 'backchannel', backchannel_logout_uri: 'https://app.example/backchannel-logout',
    backchannel_logout_session_required: true,
  },
  { ...app, client_id: 'details', authorization_details_types: ['payment'] },
  { ...app, client_id: 'step-up' },
  { ...app, client_id: 'rfc9068' },
  { ...api, client_id: 'daemon', grant_types: ['client_credentials'] },
  { ...api, client_id: 'device', grant_types: device },
  { ...ciba, client_id: 'ciba' },
  { ...ciba, ...keys, client_id: 'ciba-signed', backchannel_authentication_request_signing_alg: 'PS256' },
  {
    ...ciba, client_id: 'ciba-ping', backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: 'https://app.example/ping',
  },
  { ...fapi2, client_id: 'fapi2' },
  { ...fapi2, ...jar, ...jarm, client_id: 'fapi2-signing' },
  { ...api, client_id: 'https://api.example' },
];

// native returns each client again as a program that listens on loopback (RFC 8252 §7.3). The
// server shows the page for consent in every login of such a client.
const native = (all) => all.filter((c) => c.redirect_uris.length > 0).map((c) => ({
  ...c, client_id: `cli-${c.client_id}`, application_type: 'native', redirect_uris: ['http://127.0.0.1/callback'],
}));

export const clients = [...fixed, ...native(fixed)];

// selfSigned is a key set whose one key is in the certificate.
function selfSigned() {
  const { publicKey, raw } = new X509Certificate(read('self.crt'));
  return { keys: [{ ...publicKey.export({ format: 'jwk' }), x5c: [raw.toString('base64')] }] };
}

const bound = { ...app, tls_client_certificate_bound_access_tokens: true };

// These clients are for the issuer that accepts certificates.
const fixedTLS = [
  {
    ...bound, client_id: 'tls', token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_subject_dn: 'CN=client,O=interop',
  },
  {
    ...bound, client_id: 'self-signed', token_endpoint_auth_method: 'self_signed_tls_client_auth',
    jwks: selfSigned(),
  },
  { ...bound, client_id: 'bound' },
  {
    ...bound, ...fapi, ...jar, ...jarm, client_id: 'fapi1', token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_subject_dn: 'CN=client,O=interop', response_types: ['code', 'code id_token'],
    grant_types: ['authorization_code', 'refresh_token', 'implicit'],
  },
];

export const tlsClients = [...fixedTLS, ...native(fixedTLS)];
