"""A browser as far as a login needs one: cookies for each origin, redirects, nothing else."""

import http.client
from urllib.parse import urljoin, urlsplit


class Browser:
    """One person's browser."""

    def __init__(self):
        self.jars = {}
        self.connections = {}

    def get(self, url, headers=None):
        """One GET; the answer is its status, its headers and its body."""
        parts = urlsplit(url)
        jar = self.jars.setdefault(parts.netloc, {})
        fields = {"Accept": "text/html,*/*;q=0.8", "User-Agent": "benches/load", **(headers or {})}
        if jar:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self.connections.setdefault(
            parts.netloc, http.client.HTTPConnection(parts.netloc, timeout=20)
        )
        try:
            connection.request("GET", target, headers=fields)
            answer = connection.getresponse()
        except (http.client.HTTPException, ConnectionError):
            # An idle connection that the server has closed.
            connection.close()
            connection.request("GET", target, headers=fields)
            answer = connection.getresponse()
        body = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            keep(jar, line)
        return answer.status, answer.headers, body

    def follow(self, url, headers=None):
        """A GET and where it leads, until there is an answer that is no redirect."""
        for _ in range(12):
            status, fields, body = self.get(url, headers)
            if status not in (301, 302, 303, 307, 308):
                return url, status, body
            url = urljoin(url, fields["Location"])
        raise RuntimeError(f"redirected without end, at last to {url.partition('?')[0]}")

    def cookies(self, url):
        """The Cookie header for a URL."""
        return "; ".join(f"{name}={value}" for name, value in self.jars.get(urlsplit(url).netloc, {}).items())

    def close(self):
        for connection in self.connections.values():
            connection.close()


def keep(jar, line):
    pair, _, attributes = line.partition(";")
    name, _, value = pair.strip().partition("=")
    attributes = attributes.lower().replace(" ", "")
    if not value or "max-age=0" in attributes or "01jan1970" in attributes:
        jar.pop(name, None)
    else:
        jar[name] = value
