"""What a scenario works with: the world, the peers that run, and how slots are taken in turn."""

import sessions
from slot import Slot


class Stage:
    """One run of the comparison."""

    def __init__(self, given, world, report):
        self.given, self.world, self.report = given, world, report
        self.slot = Slot(world, given.duration)
        self.peers = {}
        self.cookies = []

    @property
    def broker(self):
        """whisk-bff."""
        return self.peers["whisk-bff"]

    def brokers(self):
        return [peer for peer in self.peers.values() if peer.brokers]

    def all_peers(self, call):
        """One kind of call through every peer."""
        self.take_turns(call.name, call.about, call, {name: (peer, {}) for name, peer in self.peers.items()})

    def rounds(self, name, about, call, rows):
        """One kind of call through variants of whisk-bff, beside nginx."""
        turns = {row: (self.broker, options) for row, options in rows.items()}
        if "nginx" in self.peers:
            turns = {"nginx": (self.peers["nginx"], {}), **turns}
        self.take_turns(name, about, call, turns)

    def take_turns(self, name, about, call, turns):
        """A B C, A B C: what the machine does meanwhile meets all of them."""
        for peer, options in turns.values():
            self.slot.warm_up(peer, call, **options)
        for _ in range(self.given.rounds):
            for row, (peer, options) in turns.items():
                if "cookies" in options:
                    # Records grow old while others have their turn. Here a minute's share of them
                    # does so in a minute, as under steady load.
                    self.slot.warm_up(peer, call, **options)
                self.report.add(name, row, self.slot.measure(peer, call, **options))
                peer.cut_log()
        self.report.print_scenario(name, about)

    def logged_in(self):
        """The cookies of many sessions, made when first asked for."""
        if not self.cookies:
            self.cookies = sessions.log_in(self.broker, self.given.sessions)
        return self.cookies
