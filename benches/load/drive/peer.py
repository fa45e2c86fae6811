"""What every peer has: a way to start it, a login through its own front door, a check."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from browser import Browser
from processes import Program, free_port
from world import STATIC_TOKEN

# What the browser's own code would send along with a call of the page's.
FETCH = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


class Missing(Exception):
    """Something the peer needs is not on this machine."""


class Peer:
    """One proxy. Its folder below peers/ has a module `peer` with a subclass called `This`."""

    # Logs in, keeps tokens on the server and puts them on calls; otherwise a plain proxy.
    brokers = True
    # Programs or files without which there is nothing to start.
    needs = []
    # Where a browser goes to log in.
    login_path = "/v2/small"
    # The command that tells its version, if it has one.
    version_command = None
    # What it is asked until it gives its first answer, of any status.
    first_question = "/v2/small"
    # The file that requests are logged to, where it is not the standard output.
    request_log = None

    def __init__(self, world, name, source):
        self.world, self.name, self.source = world, name, Path(source)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.program = None
        self.first_answer_ms = None
        self.cookie = ""

    def check_needs(self):
        for need in self.needs:
            if not shutil.which(str(need)) and not Path(need).exists():
                raise Missing(f"{need} is not installed")

    def setting(self, file, **values):
        """The path of one of its settings files, filled in."""
        return self.world.settings(self.source / file, f"{self.name}.{file}", PORT=self.port, **values)

    def command(self):
        """The command that starts it, and its environment."""
        raise NotImplementedError

    def version(self):
        """What it says of its version, in one line."""
        if self.version_command is None:
            return f"as peers/{self.name}/install has it"
        command = [str(word) for word in self.version_command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return (done.stdout or done.stderr).strip().partition("\n")[0]

    def start(self):
        command, environment = self.command()
        self.program = self.run(self.name, command, environment)
        self.first_answer_ms = self.program.wait_until_listening(self.port, self.first_question)

    def run(self, name, command, environment=None):
        folder = self.world.folder
        out = f"{folder}/{name}.requests.log" if self.request_log is None else None
        return Program(name, [str(word) for word in command], folder, self.world.proxy_core, environment, out)

    def restart(self):
        self.program.stop()
        self.start()

    def cut_log(self, name=None):
        """Empties the request log, so that a long run does not fill the disk."""
        path = self.world.folder / (self.request_log or f"{name or self.name}.requests.log")
        if path.exists():
            os.truncate(path, 0)

    def log_in(self, browser):
        """A whole login; the answer is the Cookie header of the session."""
        if self.brokers:
            _, status, body = browser.follow(self.url + self.login_path)
            if status >= 400:
                raise RuntimeError(f"{self.name}: the login ended with {status}: {body[:200]!r}")
        return browser.cookies(self.url)

    def check(self):
        """Logs in, and makes sure that the API sees the token of this login."""
        browser = Browser()
        self.cookie = self.log_in(browser)
        status, _, body = browser.get(f"{self.url}/v2/bearer", FETCH)
        browser.close()
        seen = json.loads(body)["authorization"] if status == 200 else ""
        good = seen.startswith("Bearer at-") and (seen != f"Bearer {STATIC_TOKEN}") == self.brokers
        if not good:
            raise RuntimeError(f"{self.name}: the call was answered with {status}: {body[:200]!r}")
