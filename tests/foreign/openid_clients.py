"""Drives a provider of OpenID Connect with Authlib's client: code, implicit and hybrid flows, refresh, UserInfo and logout.
usage: PROVIDER=http://127.0.0.1:PORT CLIENT='{"secret":"...","algorithms":["RS256"]}' python openid_clients.py"""
import json, os, secrets, urllib.parse as up, warnings
warnings.simplefilter("ignore")
import requests
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken, HybridIDToken, ImplicitIDToken
from authlib.oidc.core.claims import get_claim_cls_by_response_type
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
B = os.environ["PROVIDER"]
CLIENT = json.loads(os.environ["CLIENT"])
CB, BYE = "https://client.test/cb", "https://client.test/bye"
ok = 0; bad = []
def t(name, fn):
    global ok
    try: fn(); ok += 1; print(f"ok   {name}")
    except Exception as e: bad.append(name); print(f"FAIL {name}: {type(e).__name__} {str(e)[:300]}")

class Client(OpenIDMixin):
    """Authlib's own way with ID tokens, UserInfo and logout, on a session of its own."""
    def __init__(self, client_id):
        self.client_id, self.server_metadata = client_id, requests.get(B + "/.well-known/openid-configuration").json()
        self.session = OAuth2Session(client_id, CLIENT["secret"], redirect_uri=CB, scope="openid profile email", code_challenge_method="S256",
                                     token_endpoint=self.server_metadata["token_endpoint"])
    def load_server_metadata(self): return self.server_metadata
    def _get_session(self): return self.session
    def get(self, url, **more): return self.session.get(url, **more)

def browse(url):
    answer = requests.get(url, allow_redirects=False); assert answer.status_code == 303, (answer.status_code, answer.text[:200])
    return answer.headers["Location"]
def login(client, **more):
    nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    if more.get("response_type", "code") != "code": more |= dict(code_challenge=create_s256_code_challenge(verifier), code_challenge_method="S256")  # Authlib adds it for code alone
    url, state = client.session.create_authorization_url(client.server_metadata["authorization_endpoint"], nonce=nonce, code_verifier=verifier, **more)
    back = browse(url); parts = up.urlsplit(back)
    params = dict(up.parse_qsl(parts.query or parts.fragment)); assert params["state"] == state
    return back, params, nonce, verifier
def front(client, params, nonce, cls):
    """The ID token that came by the browser, judged by the class of its flow."""
    keys = KeySet.import_key_set(client.fetch_jwk_set())
    algorithms = client.server_metadata["id_token_signing_alg_values_supported"]
    token = jwt.decode(params["id_token"], keys, registry=JWSRegistry(algorithms=algorithms, strict_check_header=False))
    about = dict(nonce=nonce, client_id=client.client_id, access_token=params.get("access_token"), code=params.get("code"))
    claims = cls(token.claims, token.header, {"iss": {"values": [B]}}, about); claims.validate(leeway=30)
    return claims
def redeem(client, params, nonce, verifier):
    tokens = client.session.fetch_token(client.server_metadata["token_endpoint"], code=params["code"], code_verifier=verifier)
    who = client.parse_id_token(tokens, nonce=nonce, claims_cls=CodeIDToken); assert who["sub"] == "alice"
    return tokens, who
def code(algorithm):
    client = Client(f"rp-{algorithm.lower()}")
    back, params, nonce, verifier = login(client)
    tokens, who = redeem(client, params, nonce, verifier)
    assert client.userinfo()["email"] == "alice@people.test"
    renewed = client.session.refresh_token(client.server_metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
    again = client.parse_id_token(renewed, nonce=None, claims_cls=CodeIDToken); assert again["sub"] == who["sub"] and again["auth_time"] == who["auth_time"]
    bye = client.create_logout_url(post_logout_redirect_uri=BYE, id_token_hint=tokens["id_token"])
    assert browse(bye["url"]) == f"{BYE}?state={bye['state']}"
def by_browser(algorithm, response_type):
    client = Client(f"rp-{algorithm.lower()}")
    _, params, nonce, verifier = login(client, response_type=response_type)
    if "id_token" in response_type.split():
        cls = get_claim_cls_by_response_type(response_type); assert cls in (ImplicitIDToken, HybridIDToken)
        assert front(client, params, nonce, cls)["sub"] == "alice"
    if "code" in response_type.split(): redeem(client, params, nonce, verifier)
    if "access_token" in params:
        client.session.token = {"access_token": params["access_token"], "token_type": params["token_type"]}
        assert client.userinfo()["sub"] == "alice"
def rotated():
    client = Client("rp-rs256"); client.fetch_jwk_set()
    _, params, nonce, verifier = login(client)
    tokens, _ = redeem(client, params, nonce, verifier)
    parts = tokens["id_token"].split("."); parts[2] = parts[2][:-8] + ("A" * 8 if parts[2][-8:] != "A" * 8 else "B" * 8)
    try: client.parse_id_token({**tokens, "id_token": ".".join(parts)}, nonce=nonce, claims_cls=CodeIDToken)
    except Exception: return
    raise AssertionError("a wrong signature was taken")
for algorithm in CLIENT["algorithms"]:
    t(f"{algorithm}: code, UserInfo, refresh and logout", lambda: code(algorithm))
    for response_type in ("id_token", "id_token token", "code id_token", "code token", "code id_token token"):
        t(f"{algorithm}: {response_type}", lambda: by_browser(algorithm, response_type))
t("a wrong signature is refused", rotated)
print(f"\n{ok} passed, {len(bad)} failed" + (f": {'; '.join(bad)}" if bad else ""))
raise SystemExit(1 if bad else 0)
