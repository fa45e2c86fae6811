"""nginx as a plain reverse proxy: what everything is compared with."""

from peer import Peer


class This(Peer):
    """One worker, on the one core."""

    brokers = False
    needs = ["nginx"]
    version_command = ["nginx", "-v"]
    request_log = "nginx.access.log"

    def command(self):
        return ["nginx", "-e", "stderr", "-c", self.setting("nginx.conf")], {}
