"""wonderwall in its standalone mode, with its sessions in Redis.

From its documentation, docs/configuration.md ("Production Use"): an encryption key and redis.uri.
Its limit of logins is off: here they all come from one browser. It logs no calls: that is not on
by itself.
"""

import shutil

from peer import Peer
from processes import free_port
from world import INSTALLED


class This(Peer):
    """One process; Go sees the one core it may use."""

    program_file = shutil.which("wonderwall") or INSTALLED / "bin" / "wonderwall"
    needs = [program_file]
    login_path = "/oauth2/login?redirect=/v2/small"

    def command(self):
        world = self.world
        return [self.program_file], {
            "WONDERWALL_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "WONDERWALL_METRICS_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
            "WONDERWALL_INGRESS": f"http://127.0.0.1:{self.port}",
            "WONDERWALL_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "WONDERWALL_OPENID_CLIENT_ID": "load",
            "WONDERWALL_OPENID_CLIENT_SECRET": "not-a-secret",
            "WONDERWALL_OPENID_SCOPES": "offline_access",
            "WONDERWALL_OPENID_WELL_KNOWN_URL": f"http://127.0.0.1:{world.provider_port}/.well-known/openid-configuration",
            "WONDERWALL_REDIS_URI": f"redis://127.0.0.1:{world.redis.port}/3",
            "WONDERWALL_UPSTREAM_HOST": f"127.0.0.1:{world.api_port}",
            "WONDERWALL_RATELIMIT_ENABLED": "false",
        }
