"""Apache with mod_auth_openidc and its cache in Redis."""

import os

from peer import Peer


class This(Peer):
    """The event MPM: a few processes with threads."""

    needs = ["apache2", "/usr/lib/apache2/modules/mod_auth_openidc.so"]
    version_command = ["apache2", "-v"]
    request_log = "apache.access.log"

    def command(self):
        # Root may start it, but not serve with it.
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        return ["apache2", "-D", "FOREGROUND", "-f", self.setting("apache.conf", USER=user)], {}
