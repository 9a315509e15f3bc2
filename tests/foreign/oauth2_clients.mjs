// Drives providers of OAuth 2 with the client openid-client: assertions (RFC 7523), DPoP (RFC 9449) and token exchange
// (RFC 8693).
// usage: MODULES=folder-with-node_modules PROVIDERS='{"nonces":"http://127.0.0.1:PORT"}' KEYS='{"ES256":{...}}' SECRET=... \
//        ACCOUNT=... GATEWAY=secret OUTSIDE=token node oauth2_clients.mjs
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const modules = createRequire(join(process.env.MODULES, 'package.json'));
const load = (name) => import(pathToFileURL(modules.resolve(name)).href);
const [oc, jose] = await Promise.all([load('openid-client'), load('jose')]);

const providers = JSON.parse(process.env.PROVIDERS);
const keys = JSON.parse(process.env.KEYS);
const { SECRET, ACCOUNT, GATEWAY, OUTSIDE } = process.env;
const CB = 'https://client.test/cb';
const NATIVE = 'http://127.0.0.1:9999/cb';

let passed = 0;
const failed = [];
async function t(name, check) {
  try {
    await check();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed.push(name);
    console.log(`FAIL ${name}: ${error.name} ${error.code ?? ''} ${error.error ?? ''} ${error.error_description ?? error.message}`);
  }
}
function assert(holds, what) {
  if (!holds) throw new Error(what);
}
async function refused(promise, code) {
  const error = await promise.then(() => undefined, (reason) => reason);
  assert(error?.error === code, `expected ${code}, got ${error?.error ?? error}`);
}

const discover = (base, id, auth) =>
  oc.discovery(new URL(base), id, undefined, auth, { execute: [oc.allowInsecureRequests] });
const privateKey = async (alg) => oc.PrivateKeyJwt({ key: await jose.importJWK(keys[alg], alg), kid: keys[alg].kid });
const proving = async (config, alg) => ({ DPoP: oc.getDPoPHandle(config, await oc.randomDPoPKeyPair(alg)) });

// The browser's way: the provider approves and sends it back.
async function code(config, redirect_uri, prover) {
  const verifier = oc.randomPKCECodeVerifier();
  const state = oc.randomState();
  const parameters = {
    redirect_uri,
    scope: 'read',
    state,
    code_challenge: await oc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  if (prover) parameters.dpop_jkt = await prover.DPoP.calculateThumbprint();
  const answer = await fetch(oc.buildAuthorizationUrl(config, parameters), { redirect: 'manual' });
  const checks = { pkceCodeVerifier: verifier, expectedState: state };
  return oc.authorizationCodeGrant(config, new URL(answer.headers.get('location')), checks, undefined, prover);
}

async function call(config, base, tokens, prover) {
  const url = new URL(`${base}/api/me?a=1#b`);
  const answer = await oc.fetchProtectedResource(config, tokens.access_token, url, 'GET', null, undefined, prover);
  assert(answer.status === 200, `the API answered ${answer.status}`);
  return answer.json();
}

// A sign-in, a call, a renewal, another call, and the end.
async function whole(base, id, auth, alg) {
  const config = await discover(base, id, auth);
  const prover = alg && (await proving(config, alg));
  const tokens = await code(config, CB, prover);
  assert(tokens.token_type === (alg ? 'dpop' : 'bearer'), tokens.token_type);
  assert((await call(config, base, tokens, prover)).sub === 'alice', 'whose token?');
  const renewed = await oc.refreshTokenGrant(config, tokens.refresh_token, undefined, prover);
  await call(config, base, renewed, prover);
  await oc.tokenRevocation(config, renewed.refresh_token);
  const again = oc.refreshTokenGrant(config, renewed.refresh_token, undefined, prover);
  await refused(again, 'invalid_grant');
}

for (const [nonces, base] of Object.entries(providers)) {
  for (const alg of Object.keys(keys)) {
    await t(`${nonces}: private_key_jwt by ${alg}`, async () => whole(base, 'signed', await privateKey(alg)));
    await t(`${nonces}: private_key_jwt and DPoP by ${alg}`, async () =>
      whole(base, 'signed', await privateKey(alg), alg));
  }
  await t(`${nonces}: client_secret_jwt`, () => whole(base, 'hmac', oc.ClientSecretJwt(SECRET)));
  await t(`${nonces}: client_secret_jwt and DPoP`, () => whole(base, 'hmac', oc.ClientSecretJwt(SECRET), 'ES256'));
  await t(`${nonces}: a public client keeps its key`, async () => {
    const config = await discover(base, 'native', oc.None());
    const prover = await proving(config, 'ES256');
    const tokens = await code(config, NATIVE, prover);
    await call(config, base, tokens, prover);
    const other = await proving(config, 'ES256');
    await refused(oc.refreshTokenGrant(config, tokens.refresh_token, undefined, other), 'invalid_grant');
    await call(config, base, await oc.refreshTokenGrant(config, tokens.refresh_token, undefined, prover), prover);
  });
  await t(`${nonces}: a bound token is no bearer token`, async () => {
    const config = await discover(base, 'signed', await privateKey('ES256'));
    const tokens = await code(config, CB, await proving(config, 'ES256'));
    const answer = await fetch(`${base}/api/me`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    assert(answer.status === 401, `the API answered ${answer.status}`);
    assert(answer.headers.get('www-authenticate').startsWith('DPoP '), 'by which scheme?');
  });
  await t(`${nonces}: a service account`, async () => {
    const config = await discover(base, 'native', oc.None());
    const assertion = await new jose.SignJWT({ scope: 'read' })
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuer(ACCOUNT)
      .setSubject(ACCOUNT)
      .setAudience(base)
      .setIssuedAt()
      .setExpirationTime('1m')
      .setJti(oc.randomState())
      .sign(await jose.importJWK(keys.RS256, 'RS256'));
    const grant = () =>
      oc.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:jwt-bearer', { assertion });
    assert((await call(config, base, await grant())).sub === ACCOUNT, 'whose token?');
    await refused(grant(), 'invalid_grant');
  });
  await t(`${nonces}: token exchange`, async () => {
    const config = await discover(base, 'gateway', oc.ClientSecretBasic(GATEWAY));
    const kind = (name) => `urn:ietf:params:oauth:token-type:${name}`;
    const exchange = (parameters) =>
      oc.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', parameters);
    const subject = { subject_token: OUTSIDE, subject_token_type: kind('jwt') };
    const tokens = await exchange({ ...subject, actor_token: OUTSIDE, actor_token_type: kind('jwt') });
    assert(tokens.issued_token_type === kind('access_token'), tokens.issued_token_type);
    const said = await call(config, base, tokens);
    assert(said.sub === 'alice' && said.act.sub === 'alice', 'whose token?');
    const again = { subject_token: tokens.access_token, subject_token_type: kind('access_token') };
    assert((await call(config, base, await exchange(again))).sub === 'alice', 'whose token?');
    await refused(exchange({ ...subject, subject_token: 'unknown' }), 'invalid_grant');
    await refused(exchange({ ...subject, actor_token: OUTSIDE }), 'invalid_request');
  });
}
console.log(`\n${passed} passed, ${failed.length} failed${failed.length ? `: ${failed.join('; ')}` : ''}`);
process.exit(failed.length ? 1 : 0);
