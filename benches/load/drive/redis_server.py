"""A Redis of this run's own, and what it says of itself."""

import socket

from processes import Program, free_port


class Redis:
    """The server and one connection to it."""

    def __init__(self, folder, core):
        self.port = free_port()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.program = Program("redis", ["redis-server", *options], folder, core)
        self.program.wait_until_listening(self.port)
        self.socket = socket.create_connection(("127.0.0.1", self.port), 60)
        self.answers = self.socket.makefile("rb")

    def ask(self, *words):
        self.socket.sendall(encoded(words))
        return self.answer()

    def answer(self):
        """One answer of the protocol RESP2."""
        line = self.answers.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(f"redis: {rest.decode()}")
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.answers.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return rest

    def calls(self):
        """How many commands each kind has been called since `reset`, but for our own."""
        counts = {}
        for line in self.ask("INFO", "commandstats").decode().split("\r\n"):
            if line.startswith("cmdstat_"):
                name, _, fields = line.removeprefix("cmdstat_").partition(":")
                if name.partition("|")[0] not in ("info", "config"):
                    counts[name] = int(fields.split("calls=")[1].split(",")[0])
        return counts

    def reset(self):
        self.ask("CONFIG", "RESETSTAT")

    def used_memory(self):
        text = self.ask("INFO", "memory").decode()
        return int(text.split("used_memory:")[1].split("\r\n")[0])


def encoded(words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), body)
