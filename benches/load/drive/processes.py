"""Programs of this run: started on a core, measured by /proc, and ended for certain."""

import ctypes
import os
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
RUNNING = []
LIBC = ctypes.CDLL(None)
# prctl(2).
PR_SET_PDEATHSIG = 1


class Gone(Exception):
    """A program did not start, or ended by itself."""


class Program:
    """One started program and what it forked."""

    def __init__(self, name, command, folder, core, environment=None, output=None):
        self.name = name
        self.log = output or f"{folder}/{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if output is None else open(f"{folder}/{name}.err", "ab"),
                env={**os.environ, **(environment or {})},
                preexec_fn=lambda: begin_on(core),
                start_new_session=True,
            )
        self.started = time.monotonic()
        RUNNING.append(self)

    @property
    def pid(self):
        return self.child.pid

    def tree(self):
        """The ids of the program and of all its descendants."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                fields = stat(int(entry))
                if fields:
                    parents.setdefault(int(fields[1]), []).append(int(entry))
        found, rest = [], [self.pid]
        while rest:
            pid = rest.pop()
            found.append(pid)
            rest += parents.get(pid, [])
        return found

    def cpu_seconds(self):
        """User and system time of the tree, with what has already ended in it."""
        total = 0
        for pid in self.tree():
            fields = stat(pid)
            if fields:
                # utime, stime, cutime, cstime of proc(5).
                total += sum(int(fields[index]) for index in (11, 12, 13, 14))
        return total / TICK

    def memory_kib(self):
        """Resident memory. Of several processes the proportional set size: what they share counts
        once."""
        tree, total = self.tree(), 0
        wanted = "Rss:" if len(tree) == 1 else "Pss:"
        for pid in tree:
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                    total += next(int(line.split()[1]) for line in rollup if line.startswith(wanted))
            except (OSError, StopIteration):
                pass
        return total

    def wait_until_listening(self, port, question=None, seconds=15):
        """Waits for the port, or for an answer; returns the milliseconds since the start."""
        deadline = self.started + seconds
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as connection:
                    if question is None or answered(connection, port, question):
                        return (time.monotonic() - self.started) * 1000
            except OSError:
                pass
            time.sleep(0.001)
        raise Gone(f"{self.name} does not answer; see {self.log}")

    def stop(self):
        if self in RUNNING:
            RUNNING.remove(self)
        for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            if self.child.poll() is not None:
                break
            for pid in self.tree() if number == signal.SIGKILL else [self.pid]:
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                pass


def answered(connection, port, question):
    """Whether this connection brings any answer of HTTP."""
    connection.sendall(f"GET {question} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return connection.recv(9) == b"HTTP/1.1 "


def begin_on(core):
    """In the new process: its one core, and an end when the driver ends, however that happens."""
    os.sched_setaffinity(0, {core})
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop_all():
    for program in list(reversed(RUNNING)):
        program.stop()


def stat(pid):
    """The fields of /proc/PID/stat from the third on, or None where the process has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
