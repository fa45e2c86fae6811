"""RS256 (RFC 7518 section 3.3) as a token server of one afternoon needs it: a key made at the
start, PKCS #1 v1.5 signatures (RFC 8017 section 8.2), no secret worth hiding."""

import base64
import hashlib
import json
import secrets

# DER of DigestInfo for SHA-256: RFC 8017 section 9.2, note 1.
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


class Key:
    """A key of 2048 bits."""

    def __init__(self):
        exponent = 65537
        self.p, self.q = prime(), prime()
        self.n = self.p * self.q
        d = pow(exponent, -1, (self.p - 1) * (self.q - 1))
        self.dp, self.dq = d % (self.p - 1), d % (self.q - 1)
        self.inverse = pow(self.q, -1, self.p)
        self.public = {
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "load",
            "n": base64url(self.n.to_bytes(256, "big")), "e": base64url(exponent.to_bytes(3, "big")),
        }  # fmt: skip

    def sign(self, claims):
        """A JSON Web Token with these claims."""
        head = {"alg": "RS256", "typ": "JWT", "kid": "load"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        tail = DIGEST_INFO + hashlib.sha256(text.encode()).digest()
        padded = int.from_bytes(b"\0\1" + b"\xff" * (253 - len(tail)) + b"\0" + tail, "big")
        # By the two primes apart: a quarter of the work.
        m1, m2 = pow(padded % self.p, self.dp, self.p), pow(padded % self.q, self.dq, self.q)
        signature = m2 + (m1 - m2) * self.inverse % self.p * self.q
        return f"{text}.{base64url(signature.to_bytes(256, 'big'))}"


def prime():
    """A prime of 1024 bits, the two topmost set."""
    while True:
        candidate = secrets.randbits(1024) | (3 << 1022) | 1
        if all(candidate % small for small in SMALL) and probably_prime(candidate):
            if candidate % 65537 != 1:
                return candidate


def probably_prime(number):
    """Miller and Rabin's test, 16 times."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(16):
        x = pow(secrets.randbelow(number - 3) + 2, odd, number)
        if x in (1, number - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True


SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
