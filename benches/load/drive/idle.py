"""What a proxy takes while nobody asks it anything: to start, to be there, to keep connections."""

import socket
import time

from peer import FETCH

ABOUT = "freshly started; then with that many kept-alive connections, each of which has made one call"


def run(stage):
    count = 1000 if stage.given.quick else 5000
    rows = {}
    for peer in stage.peers.values():
        peer.restart()
        time.sleep(1)
        idle = peer.program.memory_kib()
        peer.check()
        # What the first calls fill once is not the connections'.
        for connection in connect(peer, 64)[0]:
            connection.close()
        time.sleep(0.5)
        before = peer.program.memory_kib()
        connections, refused = connect(peer, count)
        time.sleep(1)
        grown = peer.program.memory_kib() - before
        open_still = sum(not closed(connection) for connection in connections)
        for connection in connections:
            connection.close()
        rows[peer.name] = {
            "first answer ms": peer.first_answer_ms,
            "idle MiB": idle / 1024,
            "connections": f"{open_still} of {count}",
            "KiB each": grown / max(open_still, 1),
        }
        peer.cut_log()
    stage.report.print_single("idle", ABOUT, rows)


def connect(peer, count):
    """Opens connections, each with one call; those that were answered, and how many were not."""
    fields = {"Host": peer.url.partition("//")[2], "Cookie": peer.cookie, **FETCH}
    fields = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    call = f"GET /v2/small HTTP/1.1\r\n{fields}\r\n".encode()
    connections, refused = [], 0
    for _ in range(count):
        try:
            connection = socket.create_connection(("127.0.0.1", peer.port), 5)
            connections.append(connection)
            connection.sendall(call)
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                refused += 1
        except OSError:
            refused += 1
            # A server that takes no more would let each of the rest wait, too.
            if refused == 3:
                break
    return connections, refused


def closed(connection):
    """Whether the other side has ended the connection."""
    connection.setblocking(False)
    try:
        while data := connection.recv(65536):
            pass
        return data == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
