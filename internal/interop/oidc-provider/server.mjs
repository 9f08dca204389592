// An authorization server on loopback for the tests of the module: panva's oidc-provider with its
// own login and consent pages. It picks free ports, prints its issuers as "issuer
// http://127.0.0.1:…" and "issuer https://127.0.0.1:…", and stores nothing.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTLSServer } from 'node:https';
import Provider, { errors } from 'oidc-provider';
import { clients, read, secret, tlsClients } from './clients.mjs';

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

// Requested authorization_details are granted if they name an amount.
function validatePayment(ctx, detail) {
  if (!detail.amount) throw new errors.InvalidAuthorizationDetails('amount is missing');
}

// The user's phone. It allows a request after a moment. It denies a request whose message says so.
async function askOnPhone(ctx, request, user, client) {
  const grant = new ctx.oidc.provider.Grant({ accountId: user.accountId, clientId: client.clientId });
  grant.addOIDCScope(request.params.scope ?? request.scope);
  await grant.save();
  const denied = request.params.binding_message === 'deny';
  const result = denied ? new errors.AccessDenied('alice denies it') : grant;
  setTimeout(() => ctx.oidc.provider.backchannelResult(request, result).catch(console.error), 1000);
}

const ciba = {
  enabled: true,
  deliveryModes: ['poll', 'ping'],
  processLoginHint: (ctx, hint) => (hint === 'alice' ? hint : undefined),
  processLoginHintToken: () => undefined,
  triggerAuthenticationDevice: askOnPhone,
  validateRequestContext: () => {},
  verifyUserCode: () => {},
};

const askedDetails = (ctx) => JSON.parse(ctx.oidc.params.authorization_details ?? 'null') ?? undefined;

// The clients for which the server enforces a profile too.
const profiles = { fapi1: '1.0 Final', fapi2: '2.0', 'fapi2-signing': '2.0' };

// Every feature that the tests use is switched on here, and nothing else.
const features = {
  backchannelLogout: { enabled: true },
  ciba,
  claimsParameter: { enabled: true },
  clientCredentials: { enabled: true },
  clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
  deviceFlow: { enabled: true },
  devInteractions: { enabled: true },
  dPoP: {
    enabled: true,
    nonceSecret: randomBytes(32),
    requireNonce: (ctx) => ['dpop-nonce', 'cli-dpop-nonce'].includes(ctx.oidc.client?.clientId),
  },
  encryption: { enabled: true },
  fapi: { enabled: true, profile: (ctx, client) => profiles[client?.clientId.replace(/^cli-/, '')] },
  introspection: { enabled: true, allowedPolicy: () => true },
  jwtIntrospection: { enabled: true },
  jwtResponseModes: { enabled: true },
  jwtUserinfo: { enabled: true },
  pushedAuthorizationRequests: { enabled: true },
  registration: { enabled: true, initialAccessToken: 'interop-initial-token' },
  registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
  requestObjects: { enabled: true },
  resourceIndicators: {
    enabled: true,
    getResourceServerInfo: resourceServer,
    defaultResource: () => undefined,
    useGrantedResource: () => true, // the token request need not name the API again
  },
  revocation: { enabled: true },
  richAuthorizationRequests: {
    enabled: true,
    types: { payment: { validate: validatePayment } },
    authorizationDetailsForGrantSource: askedDetails,
    authorizationDetailsForAccessToken: (ctx, token, source) => source?.rar ?? source?.authorizationDetails,
    authorizationDetailsForIntrospection: (ctx, token) => token.authorizationDetails ?? token.rar,
  },
};

const certificateOf = (ctx) => ctx.req.socket.getPeerX509Certificate?.();

// subjectIs compares names in the order of RFC 4514. A certificate has another order.
function subjectIs(ctx, property, expected) {
  const name = certificateOf(ctx).subject.split('\n').reverse().join(',');
  return property === 'tls_client_auth_subject_dn' && name === expected;
}

const mTLS = {
  enabled: true,
  certificateBoundAccessTokens: true,
  tlsClientAuth: true,
  selfSignedTlsClientAuth: true,
  getCertificate: (ctx) => certificateOf(ctx)?.toString(),
  certificateAuthorized: (ctx) => ctx.req.socket.authorized,
  certificateSubjectMatches: subjectIs,
};

function account(ctx, id) {
  const claims = { sub: id, email: `${id}@example.com`, email_verified: true };
  return { accountId: id, claims: () => claims };
}

function newKey(type, options, members) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), ...members };
}

const jwks = {
  keys: [
    newKey('rsa', { modulusLength: 2048 }, { kid: 'rsa', use: 'sig' }),
    newKey('ec', { namedCurve: 'P-256' }, { kid: 'ec', use: 'sig', alg: 'ES256' }),
    newKey('rsa', { modulusLength: 2048 }, { kid: 'enc', use: 'enc', alg: 'RSA-OAEP-256' }),
  ],
};

// Clients' keys and documents are on loopback, which the provider's own guard blocks. Their
// notification endpoint is not a network address: the tests wait for pings at
// COUNTERSIGN_INTEROP_ELSEWHERE.
const elsewhere = `http://${process.env.COUNTERSIGN_INTEROP_ELSEWHERE}`;
const fetchAnywhere = (url, { dispatcher, ...options }) =>
  fetch(String(url).replace(/^https:\/\/app\.example\//, `${elsewhere}/`), options);

const authMethods = ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none'];

const configuration = {
  acrValues: ['silver', 'gold'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], acr: null, auth_time: null },
  clientAuthMethods: authMethods,
  clients,
  cookies: { keys: ['interop'] },
  features,
  fetch: fetchAnywhere,
  findAccount: account,
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  jwks,
  pkce: { required: () => true },
  responseTypes: ['code', 'code id_token'],
  scopes: ['openid', 'email', 'photos.read', 'photos.write'],
};

// withCertificates is the configuration of an issuer that has, at another address, the
// endpoints for clients with certificates.
function withCertificates(aliases) {
  return {
    ...configuration,
    clientAuthMethods: [...authMethods, 'tls_client_auth', 'self_signed_tls_client_auth'],
    clients: [...clients, ...tlsClients],
    features: { ...features, mTLS },
    discovery: {
      mtls_endpoint_aliases: {
        token_endpoint: `${aliases}/token`,
        pushed_authorization_request_endpoint: `${aliases}/request`,
        userinfo_endpoint: `${aliases}/me`,
      },
    },
  };
}

// The authentication class for the client step-up: the essential class in the claims parameter, or
// acr_values, or silver.
function wantedClass(params) {
  const acr = JSON.parse(params.claims ?? '{}').id_token?.acr;
  return acr?.value ?? acr?.values?.[0] ?? params.acr_values ?? 'silver';
}

// stepUp signs users of the client step-up in, because the development pages have no classes.
function stepUp(provider) {
  return async (ctx, next) => {
    if (!/^\/interaction\/[\w-]+$/.test(ctx.path)) return next();
    const { prompt, params } = await provider.interactionDetails(ctx.req, ctx.res);
    if (prompt.name !== 'login' || params.client_id !== 'step-up') return next();
    const login = { accountId: 'alice', acr: wantedClass(params) };
    return provider.interactionFinished(ctx.req, ctx.res, { login }, { mergeWithLastSubmission: false });
  };
}

function newProvider(issuer, options) {
  const provider = new Provider(issuer, options);
  provider.use((ctx, next) => {
    console.log('request', ctx.method, ctx.path);
    return next();
  });
  provider.use(stepUp(provider));
  provider.on('server_error', (ctx, err) => console.error(ctx.path, err));
  return provider;
}

const listen = (server) => new Promise((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${server.address().port}`));
});

const tls = { cert: read('server.crt'), key: read('server.key') };
// Self-signed certificates are accepted here. The provider checks them.
const asksCertificate = { ...tls, ca: read('ca.crt'), requestCert: true, rejectUnauthorized: false };

const plain = createServer();
const issuer = `http://${await listen(plain)}`;
plain.on('request', newProvider(issuer, configuration).callback());

const [front, back] = [createTLSServer(tls), createTLSServer(asksCertificate)];
const [tlsIssuer, aliases] = [`https://${await listen(front)}`, `https://${await listen(back)}`];
const tlsProvider = newProvider(tlsIssuer, withCertificates(aliases));
for (const server of [front, back]) server.on('request', tlsProvider.callback());

// The platforms of workloads. Each issues short-lived JWTs for one audience to its workloads. The
// tests route the names of their issuers here.
function newPlatform(issuer, workloads) {
  return new Provider(issuer, {
    clients: workloads.map((id) => ({
      client_id: id, client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    })),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource) => ({
          audience: resource, scope: '', accessTokenFormat: 'jwt', accessTokenTTL: 240, jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    formats: { customizers: { jwt: (ctx, token, parts) => { parts.header = { ...parts.header, typ: 'JWT' }; } } },
    jwks: { keys: [newKey('rsa', { modulusLength: 2048 }, { kid: issuer, use: 'sig', alg: 'RS256' })] },
  }).callback();
}

const platforms = {
  'platform.example': newPlatform('http://platform.example', ['workload', 'spiffe://platform.example/workload']),
  'cluster.example': newPlatform('http://cluster.example', ['system:serviceaccount:default:app']),
};
const workloadAddress = createServer((req, res) => {
  const platform = platforms[req.headers.host];
  if (platform) platform(req, res); else res.writeHead(404).end();
});

console.log(`platform http://${await listen(workloadAddress)}`);
console.log(`issuer ${issuer}`);
console.log(`issuer ${tlsIssuer}`);
