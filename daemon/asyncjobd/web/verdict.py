"""What the head of every page says: how the whole is, in a word and a sentence."""

import msgspec

from asyncjobd.web.pages.overview import OverviewModel


class Verdict(msgspec.Struct, frozen=True):
    """`gravity`: 0 all well, 1 something is slow or will be, 2 something is wrong. `sentence`: the worst."""

    badge: str
    gravity: int
    sentence: str = ""

    @classmethod
    def of(cls, overview: OverviewModel) -> "Verdict":
        sentence = overview.troubles[0].text if overview.troubles else ""
        return cls(overview.badge, overview.gravity, sentence)


SLOW = Verdict("SLOW", 2, "the database takes too long to answer")
NO_ANSWER = Verdict("NO ANSWER", 2, "the database does not answer")
