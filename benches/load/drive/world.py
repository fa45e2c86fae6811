"""What all peers share: cores, folder, token server, API, Redis."""

import http.client
import json
import os
import shutil
import sys
from pathlib import Path

from browser import Browser
from processes import Program, free_port
from redis_server import Redis

LOAD = Path(__file__).resolve().parent.parent
ROOT = LOAD.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
INSTALLED = TARGET / "bench" / "peers"
# 332 bytes, as in the measurements that set the goals.
SMALL = json.dumps({"id": "flatbread", "name": "Flatbread", "steps": "x" * 500}, separators=(",", ":"))
SMALL = SMALL[:330] + '"}'
MEBIBYTE = 1 << 20
STATIC_TOKEN = "at-" + "0" * 61


class World:
    """Starts what the proxies need."""

    def __init__(self, binary):
        self.binary = binary
        cores = sorted(os.sched_getaffinity(0))
        self.load_core, self.proxy_core = cores[0], cores[-1]
        os.sched_setaffinity(0, {self.load_core})
        self.folder = TARGET / "bench" / "run"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "mebibyte").write_bytes(b"0123456789abcdef" * (MEBIBYTE // 16))
        self.redis = Redis(self.folder, self.load_core)
        self.provider_port = free_port()
        script = [sys.executable, "-B", str(LOAD / "provider" / "provider.py"), str(self.provider_port)]
        self.provider = Program("provider", script, self.folder, self.load_core)
        self.provider.wait_until_listening(self.provider_port)
        self.api_port = free_port()
        settings = self.settings(LOAD / "upstream" / "nginx.conf", "upstream.conf", PORT=self.api_port)
        command = ["nginx", "-e", "stderr", "-c", settings]
        self.api = Program("upstream", command, self.folder, self.load_core)
        self.api.wait_until_listening(self.api_port)

    def settings(self, template, name, **values):
        """Writes a file of settings with its @PLACES@ filled in."""
        values = {
            "FOLDER": self.folder,
            "API_PORT": getattr(self, "api_port", ""),
            "REDIS_PORT": self.redis.port,
            "PROVIDER": f"http://127.0.0.1:{self.provider_port}",
            "SMALL": SMALL,
            "STATIC_TOKEN": STATIC_TOKEN,
            # As root, nginx would let its workers be nobody, who may not enter the folder.
            "USER": "user root;" if os.geteuid() == 0 else "",
            **values,
        }
        text = Path(template).read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def provider_says(self, target):
        """One answer of the token server, read as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.provider_port, timeout=10)
        connection.request("GET", target)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def arrived(self):
        """How many requests the API has been sent."""
        browser = Browser()
        _, _, body = browser.get(f"http://127.0.0.1:{self.api_port}/count")
        browser.close()
        return int(body.split(b"\n")[2].split()[2])
