"""A reason: what `why` answers."""

from typing import NamedTuple


class Reason(NamedTuple):
    """Why a job is as it is.

    Attributes:
        kind: Stays the same while only numbers in the sentence change.
        sentence: The reason, and what to do where something is to be done.
        topic: The page of `asyncjobd help` that says more; empty where nothing is to be done.
    """

    kind: str
    sentence: str
    topic: str
