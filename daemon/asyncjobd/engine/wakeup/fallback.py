"""Looks now and then for what no notification told of."""

import asyncio

from asyncjobd.engine.signals import Signals


class Fallback:
    """The net below the notifications: each of them may be lost."""

    def __init__(self, signals: Signals, interval: float, lease_held: asyncio.Event) -> None:
        """Look every `interval` seconds while `lease_held` is set: otherwise nothing could be claimed."""
        self._signals = signals
        self._interval = interval
        self._lease_held = lease_held

    async def run(self) -> None:
        is_time_for_rare = True
        while True:
            is_time_for_rare |= not self._lease_held.is_set()  # much may have changed in the meantime
            await self._lease_held.wait()
            self._signals.look_for_rows()
            if is_time_for_rare:
                self._signals.look_for_rare_changes()
            is_time_for_rare = not is_time_for_rare
            await asyncio.sleep(self._interval / 2)
            self._signals.stop_requested.set()  # apart from the others, as a look that meets a claim is repeated
            await asyncio.sleep(self._interval / 2)
