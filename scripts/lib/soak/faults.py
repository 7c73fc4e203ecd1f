"""What goes wrong, in an order and for times that follow from a seed."""

import random
import time

# How often each comes, beside the others.
_KINDS = {"broker restarted": 3, "broker frozen": 2, "lines unplugged": 5, "daemon stopped": 2}


class Faults:
    """One after the other, each kind once at first; `counts` says how many of each there were, and `seconds` how long all of a kind took."""

    def __init__(self, house, seed, is_short):
        self._house, self._chance = house, random.Random(seed)
        self._pause = (0.5, 2) if is_short else (2, 12)
        self._is_short = is_short
        self.counts = {kind: 0 for kind in _KINDS}
        self.seconds = {kind: 0.0 for kind in _KINDS}

    def next(self):
        """Lets everything run for a while, then one fault happens and ends."""
        chance = self._chance
        self._house.rest(chance.uniform(*self._pause))
        missing = [kind for kind, count in self.counts.items() if not count]
        kind = missing[0] if missing else chance.choices(list(_KINDS), _KINDS.values())[0]
        begun = time.monotonic()
        {
            "broker restarted": self._restart_broker,
            "broker frozen": self._freeze_broker,
            "lines unplugged": self._unplug,
            "daemon stopped": self._stop_daemon,
        }[kind]()
        self.counts[kind] += 1
        self.seconds[kind] += time.monotonic() - begun

    def _length(self, longest):
        return self._chance.uniform(0.2, 2 if self._is_short else longest)

    def _restart_broker(self):
        self._house.broker.stop()
        self._house.rest(self._length(8))
        self._house.start_broker()

    def _freeze_broker(self):
        """Some so long that the daemon gives the connection up."""
        is_long = not self._is_short and self._chance.random() < 0.1
        with self._house.paused(self._house.broker):
            self._house.rest(40 if is_long else self._length(8))

    def _unplug(self):
        fleet = self._house.fleet
        groups = self._chance.sample(range(len(fleet)), self._chance.randint(1, min(3, len(fleet))))
        for group in groups:
            fleet.unplug(group)
        self._house.rest(self._length(5))
        for group in groups:
            fleet.plug(group)

    def _stop_daemon(self):
        with self._house.paused(self._house.daemon):
            self._house.rest(self._length(6))

    # --- Kills

    def kill(self):
        """As a power cut ends it; at times the broker is away when it starts again."""
        house, chance = self._house, self._chance
        house.rest(chance.uniform(0.5, 6))
        is_alone = chance.random() < 0.3
        if is_alone:
            house.broker.stop()
        house.daemon.process.kill()
        house.daemon.process.wait()
        house.start_daemon()
        if is_alone:
            house.rest(chance.uniform(0.2, 3))
            house.start_broker()
