// An authorization server on loopback for the tests of the module: panva's
// oidc-provider with its own login and consent pages. It picks a free port,
// prints its issuer as "issuer http://127.0.0.1:…" and forgets everything when it ends.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';

// A test's browser knows this address without a network: nothing is looked up.
const callback = 'https://app.example/callback';

// What clients authenticate with here protects nothing. It has characters that must
// be encoded in a Basic header (RFC 6749 §2.3.1).
const secret = 'interop: 100% +/&=?';

const app = {
  client_secret: secret,
  redirect_uris: [callback],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
};

// A client that signs nobody in, only introspects.
const api = { client_secret: secret, redirect_uris: [], grant_types: [], response_types: [] };

const clients = [
  { ...app, client_id: 'basic', token_endpoint_auth_method: 'client_secret_basic' },
  { ...app, client_id: 'post', token_endpoint_auth_method: 'client_secret_post' },
  { ...app, client_id: 'public', client_secret: undefined, token_endpoint_auth_method: 'none' },
  { ...app, client_id: 'par', require_pushed_authorization_requests: true },
  { ...api, client_id: 'https://api.example' },
];

// The APIs that tokens are for (RFC 8707). Access tokens for no API are opaque.
const resources = {
  'https://api.example': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'https://opaque.example': { accessTokenFormat: 'opaque' },
  'https://printer.example': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
};

function resourceServer(ctx, resource) {
  if (!resources[resource]) throw new errors.InvalidTarget();
  return { ...resources[resource], audience: resource, scope: 'photos.read photos.write' };
}

// Every feature that the tests use is switched on here, and nothing else.
const features = {
  devInteractions: { enabled: true },
  introspection: { enabled: true, allowedPolicy: () => true },
  pushedAuthorizationRequests: { enabled: true },
  resourceIndicators: {
    enabled: true,
    getResourceServerInfo: resourceServer,
    defaultResource: () => undefined,
    useGrantedResource: () => true, // the token request need not name the API again
  },
};

function account(ctx, id) {
  const claims = { sub: id, email: `${id}@example.com`, email_verified: true };
  return { accountId: id, claims: () => claims };
}

function signingKey(type, options, members) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', ...members };
}

const jwks = {
  keys: [
    signingKey('rsa', { modulusLength: 2048 }, { kid: 'rsa', alg: 'RS256' }),
    signingKey('ec', { namedCurve: 'P-256' }, { kid: 'ec', alg: 'ES256' }),
  ],
};

function newProvider(issuer) {
  const provider = new Provider(issuer, {
    clients,
    features,
    jwks,
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    cookies: { keys: ['interop'] },
    findAccount: account,
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    pkce: { required: () => true },
    scopes: ['openid', 'email', 'photos.read', 'photos.write'],
  });
  provider.on('server_error', (ctx, err) => console.error(ctx.path, err));
  return provider;
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', newProvider(issuer).callback());
  console.log(`issuer ${issuer}`);
});
