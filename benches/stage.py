"""What the benchmarks of slow peers share: a broker in a process of its own, and a Whisk that does
no more than let somebody log in and answer his calls. Everything ends with the `with` block."""

import json
import multiprocessing
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def build():
    """The production binary."""
    subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--no-default-features", "--bin", "whisk-bff"],
        cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "whisk-bff"


def serve_whisk(listener):
    """Answers by target: tokens, one gigabyte, nothing at all and without reading, or `{}`."""
    gigabyte = 1 << 30

    def connection(stream):
        buffered = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffered:
                    piece = stream.recv(65536)
                    if not piece:
                        return
                    buffered += piece
                head, buffered = buffered.split(b"\r\n\r\n", 1)
                target = head.split(b" ")[1]
                if target.startswith(b"/v2/stalled"):
                    time.sleep(3600)
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                left = int(length.group(1)) if length else 0
                while len(buffered) < left:
                    buffered += stream.recv(65536)
                buffered = buffered[left:]
                if target.startswith(b"/v2/gigabyte"):
                    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % gigabyte)
                    zeros = bytes(65536)
                    for _ in range(gigabyte // len(zeros)):
                        stream.sendall(zeros)
                    continue
                body = {"access_token": "a" * 60, "refresh_token": "r" * 60, "token_type": "Bearer",
                        "expires_in": 86400} if b"/token" in target else {}
                body = json.dumps(body).encode()
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        except OSError:
            pass
        finally:
            stream.close()

    while True:
        stream, _ = listener.accept()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=connection, args=(stream,), daemon=True).start()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stage:
    """A broker with one user logged in."""

    def __init__(self, binary, **settings):
        self.scratch = tempfile.mkdtemp()
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.whisk = multiprocessing.get_context("fork").Process(
            target=serve_whisk, args=(listener,), daemon=True)
        self.whisk.start()
        listener.close()
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        values = {
            "SERVER__PUBLIC_URL": f"http://{self.host}", "SERVER__LISTEN": f"127.0.0.1:{self.port}",
            "SERVER__ADMIN_LISTEN": "", "SERVER__DRAIN_DELAY": "0s", "SERVER__SHUTDOWN_GRACE": "1s",
            "STORE__URL": "memory:", "WHISK__CLIENT_ID": "client", "WHISK__CLIENT_SECRET": "not-a-secret",
            "WHISK__LOGIN_URL": url, "WHISK__API_URL": url, **settings}
        # As the files in deploy/ have it.
        environment = os.environ | {"MIMALLOC_PURGE_DELAY": "100"}
        environment |= {f"WHISK_BFF__{key}": value for key, value in values.items()}
        self.log = open(f"{self.scratch}/log", "w+b")
        self.broker = subprocess.Popen([binary, "serve"], env=environment, stdout=self.log, stderr=self.log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        self.cookie = self.log_in()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.broker.terminate()
        self.broker.wait()
        self.whisk.terminate()
        self.whisk.join()
        shutil.rmtree(self.scratch)

    def connect(self, source="127.0.0.1"):
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(source, 0))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def head(self, line, more=""):
        return (f"{line} HTTP/1.1\r\nHost: {self.host}\r\nSec-Fetch-Site: same-origin\r\n"
                f"Cookie: {self.cookie}\r\n{more}\r\n").encode()

    def ask(self, stream, line):
        """One call; its head and body as they came."""
        stream.sendall(self.head(line))
        return self.answer(stream)

    @staticmethod
    def answer(stream):
        read = b""
        while b"\r\n\r\n" not in read:
            piece = stream.recv(65536)
            assert piece, "the connection ended"
            read += piece
        head, body = read.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while length and len(body) < int(length.group(1)):
            body += stream.recv(65536)
        return head.decode(), body

    def log_in(self):
        self.cookie = ""
        with self.connect() as stream:
            begun, _ = self.ask(stream, "GET /auth/login")
            state = re.search(r"state=([^&\r\n]+)", begun).group(1)
            self.cookie = re.search(r"(?i)set-cookie: ([^;]+)", begun).group(1)
            ended, _ = self.ask(stream, f"GET /auth/callback?code=c&state={state}")
        cookies = re.findall(r"(?i)set-cookie: ([^;]+)", ended)
        return next(cookie for cookie in cookies if "login" not in cookie.split("=")[0])

    def resident(self):
        """Resident memory of the broker, in KiB."""
        status = pathlib.Path(f"/proc/{self.broker.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def peak(self):
        """The most it has been, in KiB."""
        status = pathlib.Path(f"/proc/{self.broker.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1))
