"""oauth2-proxy with its sessions in Redis."""

import shutil

from peer import Peer
from world import INSTALLED


class This(Peer):
    """One process; Go sees the one core it may use."""

    program_file = shutil.which("oauth2-proxy") or INSTALLED / "bin" / "oauth2-proxy"
    needs = [program_file]
    version_command = [program_file, "--version"]

    def command(self):
        core, alpha = self.setting("core.cfg"), self.setting("alpha.yaml")
        return [self.program_file, "--config", core, "--alpha-config", alpha], {}
