"""Signs by oauthlib what stands on standard input, a request as JSON on each line, and answers the signature, or
`refused:` and why, on a line each."""
import json
import sys

from oauthlib.oauth1 import Client

for line in sys.stdin:
    asked = json.loads(line)
    client = Client(
        asked["key"],
        client_secret=asked["secret"],
        resource_owner_key=asked["token"],
        resource_owner_secret=asked["token_secret"],
        signature_method=asked["signature_method"],
        timestamp=asked["timestamp"],
        nonce=asked["nonce"],
    )
    try:
        headers = {"Content-Type": asked["media_type"]} if asked["media_type"] else {}
        _, headers, _ = client.sign(asked["url"], asked["method"], asked["body"] or None, headers)
        print(headers["Authorization"].split('oauth_signature="')[1].split('"')[0])
    except Exception as error:
        print("refused:", error)
