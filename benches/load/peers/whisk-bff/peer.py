"""whisk-bff itself, and further instances of it with the same sessions."""

import subprocess

from peer import Peer
from processes import free_port


class This(Peer):
    """The release build without the sandbox."""

    first_question = "/auth/session"
    key = None

    def __init__(self, world, name, source):
        super().__init__(world, name, source)
        self.binary = world.binary
        self.needs = [self.binary]
        self.version_command = [self.binary, "--version"]

    def command(self):
        if self.key is None:
            made = subprocess.run([self.binary, "generate-key"], check=True, capture_output=True, text=True)
            self.key = made.stdout.strip()
        return self.instance(self.port)

    def instance(self, port, **environment):
        """The command of an instance on this port; `store__url="..."` overrides a setting."""
        file = self.setting("whisk-bff.toml", LISTEN_PORT=port, ADMIN_PORT=free_port(), SEALING_KEY=self.key)
        environment = {f"WHISK_BFF__{name.upper()}": value for name, value in environment.items()}
        # Many logins come from one address here. An older build has no such limits.
        for limit in unlimited(self.binary, file):
            environment[f"WHISK_BFF__{limit.upper().replace('.', '__')}"] = "off"
        return [self.binary, "serve", "--config", file, "--log-format", "json"], environment

    def log_in(self, browser):
        # The page that a login returns to is not the API's: a navigation may not go there.
        at, status, body = self.url + "/auth/login?return_to=/", 0, b""
        for _ in range(4):
            status, fields, body = browser.get(at, NAVIGATION)
            if status == 303:
                return browser.cookies(self.url)
            if status != 302:
                break
            at = fields["Location"]
        raise RuntimeError(f"{self.name}: the login ended with {status}: {body[:200]!r}")


def unlimited(binary, file):
    """The limits by client address that this build has."""
    shown = subprocess.run([binary, "check-config", "--config", file], capture_output=True, text=True, check=True)
    section, found = "", []
    for line in shown.stdout.splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == "limits" and '"' in line and "/" in line:
            found.append(f"limits.{line.split('=')[0].strip()}")
    return found


NAVIGATION = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
