"""The lane of an action with limits for all daemons: whether a claim from it is worthwhile, and where it goes on.

Keys take turns, some hundreds in a claim. A round begins with the first key and ends behind the last one. After a round
that has brought no job, none may start now, unless a notification came in its middle: the lane rests until the next
one, or until its rate allows a start. It rests in the middle of a round, too, where the limits of all keys together
leave no place, and goes on there.
A claim ahead of free slots that meets a limit may pass rows that could start, so none is made ahead for a while.
"""

from math import inf
from time import monotonic

from asyncjobd.engine.jobs.claims import Claim
from asyncjobd.engine.jobs.cursors import START, Place

TIGHT = 1.0  # seconds until the next claim ahead after one that has met a limit


class LimitedLane:
    def __init__(self, name: str) -> None:
        self.name = name
        self.after_key = ""  # the next claim takes the keys behind this one; "": from the first on
        self.place: Place = START  # and rows without a key behind this place
        self.has_rows = False  # ready ones, as far as is known
        self.rests_until = 0.0  # monotonic; infinite: until a notification
        self._tight_until = 0.0  # monotonic
        self._has_brought = False  # in this round: jobs, or a reason for another round
        self._is_saturated = False  # some of its keys, in this round
        self._next_start = inf  # monotonic, of the keys that were passed in this round

    @property
    def rests(self) -> bool:
        return self.rests_until > monotonic()

    @property
    def is_due(self) -> bool:
        """True if it has rows that may start, as far as is known."""
        return self.has_rows and not self.rests

    @property
    def is_tight(self) -> bool:
        """True if its limits leave too little room for claims ahead of free slots, as far as is known."""
        return self._tight_until > monotonic()

    def wake(self, *, has_rows: bool) -> None:
        """Take up that a row may be ready, or a place free, perhaps of a key that has had its turn in this round."""
        self.rests_until = 0.0
        self._has_brought = self._has_brought or self.after_key != ""
        self.has_rows = self.has_rows or has_rows

    def rest(self, seconds: float) -> None:
        """Claim nothing for a while."""
        self.rests_until = monotonic() + seconds

    def note_claim(self, claim: Claim, *, is_ahead: bool) -> None:
        """Take up what a claim has brought."""
        turn = claim.turn
        if turn is None:  # the action is paused, or this daemon has as many of its jobs as it may
            self.has_rows = False
            return
        if turn.last_key == self.after_key != "" and not is_ahead:
            # There is no room for any row: no key had its turn
            self.rest(inf if turn.seconds is None else turn.seconds)
            return
        self.after_key, self.place = turn.last_key, turn.last_place
        has_passed = is_ahead and turn.is_saturated  # rows that may start in a free slot
        if has_passed:
            self._tight_until = monotonic() + TIGHT
        self._has_brought = self._has_brought or bool(claim.jobs) or claim.is_cut or has_passed
        self._is_saturated = self._is_saturated or turn.is_saturated
        if turn.seconds is not None:
            self._next_start = min(self._next_start, monotonic() + turn.seconds)
        if self.after_key:
            return
        if not self._has_brought:
            self.has_rows = self._is_saturated
            self.rests_until = self._next_start if self._is_saturated else 0.0
        self._has_brought, self._is_saturated, self._next_start = False, False, inf
