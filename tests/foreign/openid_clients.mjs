// Drives providers of OpenID Connect with the client openid-client.
// usage: MODULES=folder-with-node_modules PROVIDER=http://127.0.0.1:PORT CLIENT='{"secret":"...","algorithms":["RS256"]}' \
//        RUNS='{"oidcc-client-test":{"issuer":"http://127.0.0.1:PORT","algorithm":"RS256","accepts":true}}' node openid_clients.mjs
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const modules = createRequire(join(process.env.MODULES, 'package.json'));
const oc = await import(pathToFileURL(modules.resolve('openid-client')).href);

const { PROVIDER } = process.env;
const { secret, algorithms } = JSON.parse(process.env.CLIENT);
const runs = JSON.parse(process.env.RUNS);
const CB = 'https://client.test/cb';
const BYE = 'https://client.test/bye';

let passed = 0;
const failed = [];
async function t(name, check) {
  try {
    await check();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed.push(name);
    console.log(`FAIL ${name}: ${error.name} ${error.code ?? ''} ${error.error ?? ''} ${error.error_description ?? error.message} ${error.cause?.message ?? ''}`);
  }
}
function assert(holds, what) {
  if (!holds) throw new Error(what);
}

const SETUP = [oc.allowInsecureRequests, oc.enableNonRepudiationChecks];
const discover = (base, id, metadata, ...more) =>
  oc.discovery(new URL(base), id, metadata, oc.ClientSecretBasic(secret), { execute: [...SETUP, ...more] });

// The browser's way: the provider approves, and the answer comes by a redirect or by a form that is posted.
async function browse(url) {
  const answer = await fetch(url, { redirect: 'manual' });
  if (answer.status === 303) return new URL(answer.headers.get('location'));
  const page = await answer.text();
  const action = /<form method="post" action="([^"]+)"/.exec(page)[1];
  const inputs = [...page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)];
  const body = new URLSearchParams(inputs.map(([, name, value]) => [name, value]));
  return new Request(action, { method: 'POST', body });
}

async function login(config, more = {}) {
  const verifier = oc.randomPKCECodeVerifier();
  const [state, nonce] = [oc.randomState(), oc.randomNonce()];
  const url = oc.buildAuthorizationUrl(config, {
    redirect_uri: CB,
    scope: 'openid profile email',
    state,
    nonce,
    code_challenge: await oc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  });
  const callback = await browse(url);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
  return { callback, checks, state, nonce };
}

// A sign-in, who it is, a renewal, and the logout.
async function whole(config, more) {
  const { callback, checks } = await login(config, more);
  const tokens = await oc.authorizationCodeGrant(config, callback, checks);
  const claims = tokens.claims();
  assert(claims.sub === 'alice' && claims.nonce === checks.expectedNonce, 'whose ID token?');
  const who = await oc.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert(who.email === 'alice@people.test', 'which address?');
  const renewed = await oc.refreshTokenGrant(config, tokens.refresh_token);
  assert(renewed.claims().sub === claims.sub && renewed.claims().auth_time === claims.auth_time, 'another sign-in');
  const parameters = { id_token_hint: tokens.id_token, post_logout_redirect_uri: BYE, state: 'bye' };
  const back = await browse(oc.buildEndSessionUrl(config, parameters));
  assert(back.href === `${BYE}?state=bye`, back.href);
}

for (const algorithm of algorithms) {
  const id = `rp-${algorithm.toLowerCase()}`;
  const metadata = { id_token_signed_response_alg: algorithm };
  await t(`${algorithm}: code`, async () => whole(await discover(PROVIDER, id, metadata)));
  await t(`${algorithm}: code by form_post`, async () =>
    whole(await discover(PROVIDER, id, metadata), { response_mode: 'form_post' }));
  await t(`${algorithm}: code id_token`, async () =>
    whole(await discover(PROVIDER, id, metadata, oc.useCodeIdTokenResponseType), { response_type: 'code id_token' }));
  await t(`${algorithm}: code id_token by form_post`, async () =>
    whole(await discover(PROVIDER, id, metadata, oc.useCodeIdTokenResponseType), {
      response_type: 'code id_token',
      response_mode: 'form_post',
    }));
  for (const response_mode of ['fragment', 'form_post']) {
    await t(`${algorithm}: id_token by ${response_mode}`, async () => {
      const config = await discover(PROVIDER, id, metadata, oc.useIdTokenResponseType);
      const { callback, state, nonce } = await login(config, { response_type: 'id_token', response_mode });
      const claims = await oc.implicitAuthentication(config, callback, nonce, { expectedState: state });
      assert(claims.sub === 'alice' && claims.email === 'alice@people.test', 'whose ID token?');
    });
  }
}
await t('UserInfo as a JWT', async () => {
  const config = await discover(PROVIDER, 'rp-signed', { userinfo_signed_response_alg: 'RS256' });
  await whole(config);
});
await t('max_age, and the class that was asked for', async () => {
  const config = await discover(PROVIDER, 'rp-rs256', {});
  const { callback, checks } = await login(config, { max_age: '60', acr_values: 'phr' });
  const tokens = await oc.authorizationCodeGrant(config, callback, { ...checks, maxAge: 60 });
  assert(tokens.claims().acr === 'phr', tokens.claims().acr);
});
await t('a client registers itself', async () => {
  const metadata = {
    redirect_uris: [CB],
    post_logout_redirect_uris: [BYE],
    id_token_signed_response_alg: 'ES256',
    token_endpoint_auth_method: 'client_secret_post',
  };
  const config = await oc.dynamicClientRegistration(new URL(PROVIDER), metadata, undefined, { execute: SETUP });
  await whole(config);
});

// What the conformance suite does to clients: a good one takes it or leaves it as the table says.
for (const [name, { issuer, algorithm, accepts }] of Object.entries(runs)) {
  await t(name, async () => {
    const config = await discover(issuer, 'rp', { id_token_signed_response_alg: algorithm });
    const { callback, checks } = await login(config);
    const outcome = await oc.authorizationCodeGrant(config, callback, checks)
      .then((tokens) => oc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub))
      .then(() => undefined, (reason) => reason);
    assert((outcome === undefined) === accepts, outcome?.cause?.message ?? outcome?.message ?? 'it was taken');
  });
}
console.log(`\n${passed} passed, ${failed.length} failed${failed.length ? `: ${failed.join('; ')}` : ''}`);
process.exit(failed.length ? 1 : 0);
