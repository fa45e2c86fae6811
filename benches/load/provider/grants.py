"""What the token server has issued: codes and refresh tokens, each good for one use."""

import hashlib
import secrets
import time

from rsa import Key, base64url


class Refused(Exception):
    """An error of RFC 6749 section 5.2; its text is the code."""


class Grants:
    """Codes, refresh tokens, and how many were redeemed."""

    def __init__(self, issuer):
        self.issuer, self.key = issuer, Key()
        self.codes, self.refresh_tokens, self.holders = {}, {}, {}
        self.expires_in = 86400
        self.users = 0
        self.redeemed = {"authorization_code": 0, "refresh_token": 0, "refused": 0}

    def authorize(self, query):
        code = secrets.token_urlsafe(24)
        self.codes[code] = query
        return code

    def redeem(self, form):
        """The answer to a token request."""
        kind = form.get("grant_type")
        try:
            if kind == "authorization_code":
                answer = self.by_code(form)
            elif kind == "refresh_token":
                answer = self.by_refresh_token(form)
            else:
                raise Refused("unsupported_grant_type")
        except Refused:
            self.redeemed["refused"] += 1
            raise
        self.redeemed[kind] += 1
        return answer

    def by_code(self, form):
        query = self.codes.pop(form.get("code"), None)
        if query is None or form.get("redirect_uri", query["redirect_uri"]) != query["redirect_uri"]:
            raise Refused("invalid_grant")
        if "code_challenge" in query:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64url(digest) != query["code_challenge"]:
                raise Refused("invalid_grant")
        self.users += 1
        return self.tokens(f"user-{self.users}", query)

    def by_refresh_token(self, form):
        holder = self.refresh_tokens.pop(form.get("refresh_token"), None)
        if holder is None:
            raise Refused("invalid_grant")
        return self.tokens(*holder)

    def tokens(self, subject, query):
        refresh_token = "rt-" + secrets.token_hex(30)
        self.refresh_tokens[refresh_token] = (subject, query)
        access_token = "at-" + secrets.token_hex(31)[:61]
        self.holders[access_token] = subject
        answer = {
            # 64 characters, as long as the tokens that Whisk documents.
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": refresh_token,
            "scope": query.get("scope", ""),
        }
        if "openid" in query.get("scope", ""):
            answer["id_token"] = self.key.sign(self.claims(subject, query))
        return answer

    def claims(self, subject, query):
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": query["client_id"], "sub": subject, "sid": subject,
            "iat": now, "nbf": now, "auth_time": now, "exp": now + 86400, "jti": secrets.token_hex(8),
            "email": f"{subject}@load.test", "email_verified": True, "acr": query.get("acr_values", "0"),
        }  # fmt: skip
        return claims | ({"nonce": query["nonce"]} if "nonce" in query else {})
