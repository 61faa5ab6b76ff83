// An OAuth 2.0 identity provider for tests and for the demonstration: npm oidc-provider behind two listeners of this machine.
//
//   node provider.mjs --directory DIR [--certificate FILE --key FILE] [--ttl SECONDS] [--clients FILE] [--port N] [--introspection-port N]
//                   [--refresh-tokens N]
//
// DIR/endpoints.json   written when both listeners are open: { issuer, token_endpoint, authorization_endpoint, device_endpoint, introspection_endpoint, fault_base, refresh_tokens }
// DIR/requests.jsonl   one line per request to the token, authorization and device endpoints and to the faulty ones, as it arrived: time, method, path,
//                      header pairs, body
// DIR/issued.jsonl     one line per answer of the token endpoint that gives something, as it is
//
// A person signs in on the provider's own development pages: any name, any password; then consents, or cancels.
//
// With a certificate the clients' listener speaks https under the name localhost; the mail server's listener (introspection) is plain http on 127.0.0.1.
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Provider } from 'oidc-provider';

const { values: options } = parseArgs({
  options: {
    directory: { type: 'string' },
    certificate: { type: 'string' },
    key: { type: 'string' },
    ttl: { type: 'string', default: '3600' },
    clients: { type: 'string' },
    port: { type: 'string', default: '0' },
    'introspection-port': { type: 'string', default: '0' },
    'refresh-tokens': { type: 'string', default: '0' },
  },
});
if (!options.directory) throw new Error('--directory is missing');

const scope = 'https://mail.example.test/.default';
const audience = 'https://mail.example.test';
// Known here, but granted to nobody: asked for, it is invalid_scope. (One that is not known is silently left out.)
const deniedScope = 'https://mail.example.test/denied';
const machine = { grant_types: ['client_credentials'], scope, response_types: [], redirect_uris: [] };
const person = {
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  redirect_uris: ['http://localhost/oauth-callback', 'https://postern.example.test/oauth-callback'],
};

// Every printable ASCII character that is neither letter nor digit is in the first two secrets: form encoding, Basic and Base64 all have to be right.
const specials = ' !"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';
const clients = [
  { ...machine, client_id: 'app-basic', client_secret: `basic${specials}secret`, token_endpoint_auth_method: 'client_secret_basic' },
  { ...machine, client_id: 'app/post: 1', client_secret: `post${specials}secret`, token_endpoint_auth_method: 'client_secret_post' },
  { ...machine, client_id: 'demo', client_secret: 'demo-secret', token_endpoint_auth_method: 'client_secret_basic' },
  // Its tokens belong to one user: they open alice's mailbox and no other.
  { ...machine, client_id: 'user-alice', client_secret: 'alice-secret', token_endpoint_auth_method: 'client_secret_basic', mailbox: 'alice@example.test' },
  // Persons sign in with these: without a secret, and with one.
  { ...person, client_id: 'app-native', application_type: 'native', token_endpoint_auth_method: 'none' },
  { ...person, client_id: 'app-web', client_secret: `web${specials}secret`, token_endpoint_auth_method: 'client_secret_basic', redirect_uris: ['https://postern.example.test/oauth-callback'] },
  // Has refresh tokens from the start (--refresh-tokens), as if persons had consented: each is good once, and an old one ends the consent.
  { client_id: 'app-refresh', client_secret: 'refresh-client-secret', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], redirect_uris: ['https://postern.example.test/oauth-callback'], token_endpoint_auth_method: 'client_secret_basic' },
  // The mail server, which may only ask what a token is worth.
  { client_id: 'dovecot', client_secret: 'dovecot-secret', grant_types: [], response_types: [], redirect_uris: [], token_endpoint_auth_method: 'client_secret_basic' },
];
// A test's own, as [{ client_id, client_secret }]: the secret may be sent in the header or in the body. Or as [{ client_id, token_endpoint_auth_method,
// certificate }]: the PEM of a certificate whose key signs, or which is shown.
function registered({ certificate, ...client }) {
  if (!certificate) return { ...machine, token_endpoint_auth_method: 'client_secret_basic', ...client };
  const x509 = new X509Certificate(certificate);
  const jwk = { ...x509.publicKey.export({ format: 'jwk' }), x5c: [x509.raw.toString('base64')], use: 'sig' };
  return { ...machine, ...client, jwks: { keys: [jwk] } };
}
if (options.clients) for (const client of JSON.parse(readFileSync(options.clients, 'utf8'))) clients.push(registered(client));
const certificatesAreAsked = clients.some((client) => client.token_endpoint_auth_method === 'self_signed_tls_client_auth');
const mailboxOf = new Map(clients.map((client) => [client.client_id, client.mailbox]));

// What the mail server decides by has to be in every answer, in the negative ones too: it takes an absent attribute as "active".
const worthless = { app_only: false, client_id: '', email: '' };

function tokenClaims(ctx, token) {
  const mailbox = token.accountId ?? mailboxOf.get(token.clientId);
  return mailbox ? { app_only: false, email: mailbox } : { app_only: true, email: '' };
}

function shownCertificate(socket) {
  const raw = socket.getPeerCertificate?.().raw;
  return raw && new X509Certificate(raw);
}

function makeProvider(issuer) {
  const ttl = Number(options.ttl);
  const provider = new Provider(issuer, {
    clients,
    extraClientMetadata: { properties: ['mailbox'] },
    scopes: ['openid', 'offline_access', scope, deniedScope],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none', 'self_signed_tls_client_auth'],
    // Who signs in as alice@example.test is alice@example.test.
    findAccount: (ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    pkce: { required: () => true },
    rotateRefreshToken: true,
    extraTokenClaims: tokenClaims,
    ttl: { ClientCredentials: ttl },
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      mTLS: { enabled: true, selfSignedTlsClientAuth: true, getCertificate: (ctx) => shownCertificate(ctx.req.socket) },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope, audience, accessTokenFormat: 'opaque', accessTokenTTL: ttl }),
      },
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    // Without it devices ask every five seconds, which makes tests slow.
    if (ctx.path === '/device/auth' && ctx.status === 200) ctx.body = { ...ctx.body, interval: 1 };
    if (ctx.path === '/token' && ctx.status === 200) appendFileSync(join(options.directory, 'issued.jsonl'), JSON.stringify(ctx.body) + '\n');
    if (ctx.path === '/token/introspection' && ctx.status === 200 && !ctx.body.active) ctx.body = { ...worthless, active: false };
  });
  return provider;
}

/// As if somebody had signed in and consented, once for each token.
async function seedRefreshTokens(provider, count) {
  const client = await provider.Client.find('app-refresh');
  const tokens = [];
  for (let i = 0; i < count; i += 1) {
    const accountId = `person-${i}@example.test`;
    const grant = new provider.Grant({ accountId, clientId: client.clientId });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(audience, scope);
    const grantId = await grant.save();
    const token = new provider.RefreshToken({ accountId, client, grantId, gty: 'authorization_code', claims: {}, resource: audience, scope: `openid offline_access ${scope}` });
    tokens.push(await token.save());
  }
  return tokens;
}

/// Writes down a request when its body is complete, without taking the body away from whoever answers it.
function record(request) {
  const chunks = [];
  const push = request.push;
  request.push = (chunk, ...rest) => {
    if (chunk) chunks.push(Buffer.from(chunk));
    else {
      const line = { time: Date.now(), method: request.method, path: request.url, http: request.httpVersion, headers: request.rawHeaders, body: Buffer.concat(chunks).toString('latin1') };
      appendFileSync(join(options.directory, 'requests.jsonl'), JSON.stringify(line) + '\n');
    }
    return push.call(request, chunk, ...rest);
  };
}

/// Token endpoints that misbehave, each in one way.
const faults = {
  html: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title><p>Please sign in to continue.</p>'),
  busy: (response) => response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7' }).end('{"error":"temporarily_unavailable"}'),
  unavailable: (response) => response.writeHead(503, { 'content-type': 'text/plain' }).end('back soon'),
  incomplete: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"token_type":"Bearer","expires_in":3600}'),
  mac: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"t","token_type":"mac","expires_in":3600}'),
  // A token this provider never issued: the mailbox refuses it, again and again.
  foreign: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"not-a-token-of-ours","token_type":"Bearer","expires_in":3600}'),
  slow: () => {},
};

function handler(answer) {
  return (request, response) => {
    const [, kind, fault] = request.url.split('/');
    if (['/token', '/device/auth'].includes(request.url) || request.url.startsWith('/auth?') || kind === 'fault') record(request);
    if (kind !== 'fault') return answer(request, response);
    request.resume();
    request.on('end', () => (faults[fault] ? faults[fault](response) : response.writeHead(404).end()));
  };
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), '127.0.0.1', () => resolve(server.address().port));
  });
}

const tls = Boolean(options.certificate);
const clientsListener = tls ? createTlsServer({ cert: readFileSync(options.certificate), key: readFileSync(options.key), requestCert: certificatesAreAsked, rejectUnauthorized: false }) : createServer();
const mailServerListener = createServer();
const port = await listen(clientsListener, options.port);
const introspectionPort = await listen(mailServerListener, options['introspection-port']);
const issuer = tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
const provider = makeProvider(issuer);
const refreshTokens = await seedRefreshTokens(provider, Number(options['refresh-tokens']));
const answer = provider.callback();
clientsListener.on('request', handler(answer));
mailServerListener.on('request', handler(answer));

const endpoints = {
  issuer,
  token_endpoint: `${issuer}/token`,
  authorization_endpoint: `${issuer}/auth`,
  device_endpoint: `${issuer}/device/auth`,
  fault_base: `${issuer}/fault/`,
  introspection_endpoint: `http://127.0.0.1:${introspectionPort}/token/introspection`,
  introspection_port: introspectionPort,
  refresh_tokens: refreshTokens,
};
// Whoever waits for the file never sees half of it.
writeFileSync(join(options.directory, '.endpoints.json'), JSON.stringify(endpoints, null, 2) + '\n');
renameSync(join(options.directory, '.endpoints.json'), join(options.directory, 'endpoints.json'));

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
