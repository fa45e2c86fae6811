"""express-openid-connect with http-proxy-middleware, its sessions in Redis."""

import shutil

from peer import Peer
from world import INSTALLED


class This(Peer):
    """One process of Node."""

    folder = INSTALLED / "express-oidc"
    needs = ["node", folder / "installed"]
    version_command = ["node", "--version"]

    def command(self):
        # Beside its packages, where Node looks for them.
        shutil.copy(self.source / "server.mjs", self.folder)
        return ["node", self.folder / "server.mjs"], {
            "NODE_ENV": "production",
            "PORT": str(self.port),
            "API": f"http://127.0.0.1:{self.world.api_port}",
            "PROVIDER": f"http://127.0.0.1:{self.world.provider_port}",
            "REDIS": f"redis://127.0.0.1:{self.world.redis.port}/1",
        }
