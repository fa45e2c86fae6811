"""The token server of every broker in this comparison: Whisk's OAuth 2.0 and, for the peers that
ask for it, OpenID Connect on top. It approves whoever comes, at once.

    provider.py PORT

GET /count tells how many grants were redeemed; GET /control?expires_in=2&delay_ms=50 says how long
access tokens live from now on and how long the token endpoint takes.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

from grants import Grants, Refused


class Provider:
    """The endpoints."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.grants = Grants(self.url)
        self.delay = 0

    async def answer(self, target, fields, body):
        """Status, further headers, and the body."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        match parts.path:
            case "/oauth/v2/authorize":
                code = self.grants.authorize(query)
                # RFC 6749 section 4.1.2.
                given = {"code": code} | ({"state": query["state"]} if "state" in query else {})
                glue = "&" if "?" in query["redirect_uri"] else "?"
                return 302, {"Location": query["redirect_uri"] + glue + urlencode(given)}, b""
            case "/oauth/v2/token":
                await asyncio.sleep(self.delay)
                try:
                    return json_answer(self.grants.redeem(dict(parse_qsl(body.decode()))))
                except Refused as refused:
                    return json_answer({"error": str(refused)}, 400)
            case "/.well-known/openid-configuration":
                return json_answer(discovery(self.url))
            case "/jwks":
                return json_answer({"keys": [self.grants.key.public]})
            case "/userinfo":
                subject = self.grants.holders.get(fields.get("authorization", "").removeprefix("Bearer "))
                return json_answer({"sub": subject, "email": f"{subject}@load.test", "email_verified": True})
            case "/count":
                return json_answer(self.grants.redeemed)
            case "/control":
                self.grants.expires_in = int(query.get("expires_in", self.grants.expires_in))
                self.delay = int(query.get("delay_ms", self.delay * 1000)) / 1000
                return json_answer({})
        return json_answer({"error": "not_found"}, 404)

    async def serve(self, reader, writer):
        """One connection, until the client closes it."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                target = head[0].split(" ")[1]
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = await reader.readexactly(int(fields.get("content-length") or 0))
                status, further, body = await self.answer(target, fields, body)
                lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}", "Cache-Control: no-store"]
                lines += [f"{name}: {value}" for name, value in further.items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                await writer.drain()
                if fields.get("connection", "").lower() == "close":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def json_answer(value, status=200):
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def discovery(url):
    """OpenID Connect Discovery 1.0, section 3."""
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/oauth/v2/authorize",
        "token_endpoint": f"{url}/oauth/v2/token",
        "userinfo_endpoint": f"{url}/userinfo",
        "jwks_uri": f"{url}/jwks",
        "end_session_endpoint": f"{url}/logout",
        "scopes_supported": ["openid", "offline_access", "profile", "email"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": ["0"],
        "ui_locales_supported": ["en"],
    }


async def main():
    port = int(sys.argv[1])
    provider = Provider(port)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
