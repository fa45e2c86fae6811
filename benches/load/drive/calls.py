"""The scenarios that are one kind of call, made over and over."""

from dataclasses import dataclass, field

from peer import FETCH
from world import MEBIBYTE


@dataclass
class Call:
    """One kind of call."""

    name: str
    about: str
    method: str = "GET"
    path: str = "/v2/small"
    headers: dict = field(default_factory=lambda: dict(FETCH))
    body: int = 0
    # What each answer has at least, in bytes.
    answer: int = 332
    connections: int = 64
    # Requests that one call is to the API's nginx: it has an inner one for bodies.
    hops: int = 1


# As a current desktop browser sends them with `fetch()`: with Host and Cookie, 15 fields.
BROWSER = {
    **FETCH,
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Priority": "u=1, i",
    "Sec-Ch-Ua": '"Chromium";v="140", "Not=A?Brand";v="24"',
    "Sec-Ch-Ua-Mobile": "?0",
    "Sec-Ch-Ua-Platform": '"Linux"',
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    # With the session's own cookie about 600 bytes.
    "Cookie": "; ".join(
        f"{name}={letter * length}"
        for name, letter, length in [
            ("_ga", "1", 27), ("_ga_S1T2U3V4W5", "2", 51), ("consent", "3", 120),
            ("preferences", "4", 190), ("ab", "5", 40), ("locale", "6", 5), ("theme", "7", 4),
        ]
    ),
}  # fmt: skip
POST = {**FETCH, "Content-Type": "application/json"}

CALLS = [
    Call("small", "GET, 332 bytes of JSON"),
    Call("browser", "the same with 15 header fields and 600 bytes of cookies", headers=BROWSER),
    Call("post", "POST of 2 KiB", "POST", "/v2/sink", POST, 2048, 10, hops=2),
    Call("download", "GET of 1 MiB", path="/v2/mebibyte", answer=MEBIBYTE, connections=16),
    Call("upload", "POST of 1 MiB", "POST", "/v2/sink", POST, MEBIBYTE, 10, 16, hops=2),
]
