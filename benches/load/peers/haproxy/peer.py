"""HAProxy as a plain reverse proxy."""

from peer import Peer


class This(Peer):
    """One thread, on the one core."""

    brokers = False
    needs = ["haproxy"]
    version_command = ["haproxy", "-v"]

    def command(self):
        return ["haproxy", "-db", "-f", self.setting("haproxy.cfg")], {}
