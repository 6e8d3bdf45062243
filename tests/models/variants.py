"""The table of what is checked: the models as the engine is, and planted bugs.

A planted bug shows that a model would find it: a model that holds with a bug in it shows nothing.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    MODEL = "model"  # it holds
    BUG = "bug"  # a planted one; it breaks


@dataclass(frozen=True, slots=True)
class Variant:
    """A model with macros. `shows`: what holds, or what breaks."""

    name: str
    kind: Kind
    model: str
    macros: tuple[str, ...]
    shows: str
    is_large: bool = False

    @property
    def must_hold(self) -> bool:
        return self.kind is Kind.MODEL


def _variant(kind: Kind, name: str, macros: str, shows: str, *, is_large: bool = False) -> Variant:
    return Variant(name, kind, name.split("-")[0], tuple(macros.split()), shows, is_large)


def _model(name: str, macros: str, shows: str, *, is_large: bool = False) -> Variant:
    return _variant(Kind.MODEL, name, macros, shows, is_large=is_large)


def _bug(name: str, macros: str, shows: str, *, is_large: bool = False) -> Variant:
    return _variant(Kind.BUG, name, macros, shows, is_large=is_large)


VARIANTS = (
    # ---------------------------------------------------------------- the notify gate
    _model("gate-two-clients", "D=1 C=2", "no daemon sleeps on a row of overlapping transactions"),
    _model("gate-two-daemons", "D=2 C=1", "nor do two daemons that want one lock"),
    _model("gate-liveness", "D=1 C=2 LIVENESS", "each row is claimed in the end"),
    _model("gate-holder-dies", "D=2 C=1 DEATHS=1", "the other daemon takes the lock"),
    _model("gate-session-ends", "D=1 C=1 ROUNDS=2 GATE_LOSSES=1", "a daemon that loses the lock polls"),
    _model("gate-listener-ends", "D=1 C=1 ROUNDS=2 LISTENER_LOSSES=1", "what was not heard is looked for"),
    _model(
        "gate-stranger", "D=1 C=1 ROUNDS=2 STRANGERS=1",
        "somebody else has the lock, and lets go unheard",
    ),
    _model("gate-forgeries", "D=1 C=1 ROUNDS=2 FORGERIES=1", "notifications that nobody should have sent"),
    _model("gate-promotion", "D=2 C=0 DUE=2 SLOTS", "a row that a full daemon promotes"),
    _model("gate-full", "D=2 C=1 ROUNDS=2 SLOTS", "the daemon with the lock is full", is_large=True),
    _model("gate-two-daemons-liveness", "D=2 C=1 LIVENESS", "each row is claimed in the end", is_large=True),
    _model(
        "gate-session-of-one-ends", "D=2 C=1 GATE_LOSSES=1",
        "one of two daemons loses the lock", is_large=True,
    ),
    _model("gate-stranger-and-two-daemons", "D=2 C=1 STRANGERS=1", "and a stranger", is_large=True),
    _bug(
        "gate-unlocked-before-visible", "D=1 C=1 UNLOCKED_BEFORE_VISIBLE",
        "a commit releases its locks too early",
    ),
    _bug(
        "gate-lock-of-a-statement", "D=1 C=1 LOCK_ENDS_WITH_THE_STATEMENT",
        "the client's lock ends before its commit",
    ),
    _bug(
        "gate-early-notification", "D=1 C=1 NOTIFIED_BEFORE_THE_COMMIT",
        "the daemon looks before the commit",
    ),
    _bug(
        "gate-announced-for-the-session", "D=1 C=1 ROUNDS=2 ANNOUNCED_FOR_THE_SESSION",
        "a client that has notified once does not do so in its next transaction",
    ),
    _bug(
        "gate-signal-lost", "D=1 C=1 SIGNALS_TAKEN_AFTER_THE_CLAIM",
        "a signal that comes during a claim is cleared",
    ),
    _bug(
        "gate-no-look-once-held", "D=1 C=1 NO_LOOK_ONCE_HELD",
        "the daemon sleeps without a look under the lock",
    ),
    _bug("gate-look-before-the-lock", "D=1 C=1 LOOK_BEFORE_THE_LOCK", "the last look comes before the lock"),
    _bug(
        "gate-no-look-once-released", "D=1 C=2 NO_LOOK_ONCE_RELEASED",
        "the claimer sleeps on without the lock",
    ),
    _bug(
        "gate-clients-not-waited-for", "D=1 C=2 CLIENTS_ARE_NOT_WAITED_FOR",
        "an open transaction has the lock",
    ),
    _bug(
        "gate-no-look-once-lost", "D=1 C=1 GATE_LOSSES=1 NO_LOOK_ONCE_LOST",
        "the loss of the lock wakes nobody",
    ),
    _bug(
        "gate-no-look-once-listening", "D=1 C=1 LISTENER_LOSSES=1 NO_LOOK_ONCE_LISTENING",
        "what was committed while nobody listened is not looked for",
    ),
    _bug("gate-stolen", "D=1 C=1 STRANGERS=1 HOLDER_IS_TRUSTED", "a stranger's lock is taken for a daemon's"),
    _bug(
        "gate-holder-died", "D=2 C=1 DEATHS=1 HOLDER_IS_TRUSTED",
        "nobody takes the lock of a daemon that died",
    ),
    _bug(
        "gate-full-holder-lost-it", "D=2 C=1 ROUNDS=2 SLOTS GATE_LOSSES=1 HOLDER_IS_TRUSTED",
        "nobody takes the lock that a full daemon has lost",
    ),
    _bug(
        "gate-full-daemon-promotes", "D=2 C=0 DUE=2 SLOTS FULL_DAEMON_PROMOTES_IN_SILENCE",
        "a full daemon makes a row ready, and tells nobody",
    ),
    _bug(
        "gate-promoted-in-doubt", "D=2 C=0 DUE=2 SLOTS PROMOTIONS_ARE_COMPARED_WITH_ROOM",
        "a timer compares what it promotes with a slot that another row takes: nobody tells the idle daemon",
    ),
    # ---------------------------------------------------------------- the lease
    _model("lease-losses", "LOSSES=2", "two answers are lost"),
    _model("lease-death", "DEATHS=1 LOSSES=1", "a daemon dies, and an answer is lost"),
    _model("lease-freeze", "FREEZES=1 TOKENS=2", "a daemon freezes for its lease"),
    _model("lease-cut", "CUTS=1 TOKENS=2", "a daemon is cut off for its lease"),
    _model("lease-failover", "FAILOVERS=1 TOKENS=2", "a failover undoes the last transactions"),
    _model(
        "lease-cut-and-losses", "CUTS=1 LOSSES=1 TOKENS=3 CLAIMS_ARE_SENT_WITH_A_LEASE",
        "and an answer is lost", is_large=True,
    ),
    _model("lease-freeze-and-death", "FREEZES=1 DEATHS=1 TOKENS=3", "and one dies", is_large=True),
    _model(
        "lease-failover-and-losses", "FAILOVERS=1 LOSSES=1 TOKENS=3",
        "and an answer is lost", is_large=True,
    ),
    _bug(
        "lease-record-without-a-token", "FREEZES=1 RECORD_WITHOUT_A_TOKEN",
        "an old execution writes",
    ),
    _bug(
        "lease-record-clears-the-token", "LOSSES=1 RECORD_CLEARS_THE_TOKEN",
        "a record that was done looks lost",
    ),
    _bug(
        "lease-suspects-at-first-sight", "LOSSES=1 SUSPECTS_ARE_HANDED_BACK_AT_ONCE",
        "a row is handed back that was claimed during the look",
    ),
    _bug(
        "lease-claim-in-flight-unknown", "LOSSES=1 CLAIM_IN_FLIGHT_IS_UNKNOWN",
        "a row is handed back, and begins",
    ),
    _bug("lease-no-reconciler", "LOSSES=1 NO_RECONCILER", "a row whose claim's answer was lost stays owned"),
    _bug(
        "lease-orphans-left", "DEATHS=1 LOSSES=1 ORPHANS_ARE_LEFT",
        "a claim commits after its daemon was deleted",
    ),
    _bug(
        "lease-rescue-keeps-the-token", "FREEZES=1 RESCUE_KEEPS_THE_TOKEN",
        "nothing written looks written",
    ),
    _bug("lease-no-fence", "CUTS=1 FENCED_HANDLERS_GO_ON", "a daemon that is cut off runs on"),
    _bug("lease-not-asked-for", "CUTS=1 LEASE_IS_NOT_ASKED_FOR", "a daemon claims without a lease"),
    _bug(
        "lease-written-off-goes-on", "FREEZES=1 WRITTEN_OFF_DAEMON_GOES_ON",
        "a daemon without a row claims",
    ),
    _bug("lease-token-of-the-daemon", "FREEZES=1 TOKEN_OF_THE_DAEMON", "two claims have one token"),
    _bug("lease-tokens-of-a-sequence", "FAILOVERS=1 TOKENS_OF_A_SEQUENCE", "a failover gives a token again"),
    _bug(
        "lease-rescue-in-doubt", "FREEZES=1 RESCUE_TRUSTS_THE_JUDGEMENT",
        "a daemon renews its lease between another one's judgement and its rescue",
    ),
    _bug(
        "lease-deletion-in-doubt", "FREEZES=1 DELETION_TRUSTS_THE_JUDGEMENT",
        "a daemon renews its lease, and is deleted: its next jobs belong to nobody while they run",
    ),
    _bug(
        "lease-old-claim-starts", "CUTS=1 CLAIM_OF_A_LOST_LEASE_STARTS",
        "a claim from before the fence starts jobs that were taken back meanwhile",
    ),
    _bug(
        "lease-lapse-unnoticed", "CUTS=1 LAPSE_IS_JUDGED_BY_THE_SENDING",
        "a renewal that was sent in time succeeds too late: a claim from before the fence starts its jobs",
    ),
    # ---------------------------------------------------------------- the stop
    _model("stop-writes", "WRITES=2", "two writes of a client stand, and a released row runs again"),
    _model("stop-deletions", "WRITES=2 DELETES", "a row is deleted while it runs"),
    _model("stop-losses", "WRITES=2 LOSSES=1", "an answer is lost"),
    _model("stop-listener-ends", "WRITES=1 LISTENER_LOSSES=1", "the stop's notification is lost"),
    _model("stop-death", "D=2 WRITES=1 DEATHS=1 TOKENS=2", "the daemon dies, and its job is taken back"),
    _model(
        "stop-three-writes", "WRITES=3 DELETES LOSSES=1",
        "three writes and a loss", is_large=True,
    ),
    _bug("stop-clears-the-owner", "WRITES=1 STOP_CLEARS_THE_OWNER", "nobody acknowledges the stop"),
    _bug(
        "stop-forgotten-at-the-record", "WRITES=1 RECORD_FORGETS_THE_STOP",
        "the outcome overwrites the client's status",
    ),
    _bug(
        "stop-no-look-once-listening", "WRITES=1 LISTENER_LOSSES=1 NO_LOOK_ONCE_LISTENING",
        "the handler runs on: nobody heard of the stop",
    ),
    _bug(
        "stop-released-row-not-ready", "WRITES=2 RELEASED_ROW_IS_NOT_TAKEN_FOR_READY",
        "a row that was released before the acknowledgement does not run",
    ),
    _bug(
        "stop-released-row-not-due", "WRITES=1 RELEASED_ROW_IS_NOT_TAKEN_FOR_DUE",
        "nor does one that is due later",
    ),
    _bug(
        "stop-released-in-silence", "WRITES=2 CLIENTS_RELEASE_IN_SILENCE",
        "a released row is not announced",
    ),
    _bug(
        "stop-hand-back-forgets-it", "WRITES=1 LOSSES=1 HAND_BACK_FORGETS_THE_STOP",
        "a row whose claim's answer was lost runs although a client has held it",
    ),
    _bug(
        "stop-rescue-forgets-it", "D=2 WRITES=1 DEATHS=1 TOKENS=2 RESCUE_FORGETS_THE_STOP",
        "a row of a dead daemon runs although a client has held it",
    ),
    _bug(
        "stop-claim-keeps-it", "WRITES=2 CLAIM_KEEPS_THE_STOP",
        "the next execution's outcome is not written",
    ),
    _bug(
        "stop-locked-outcome-dropped", "WRITES=1 LOCKED_OUTCOME_IS_DROPPED",
        "a job that has run is handed back",
    ),
    _bug(
        "stop-earlier-record-not-followed-up", "WRITES=1 LOSSES=1 EARLIER_RECORD_IS_NOT_FOLLOWED_UP",
        "the record's answer is lost, and the released row does not run",
    ),
    _bug(
        "stop-deleted-before-the-answer", "WRITES=2 DELETES LOOK_IS_NOT_REPEATED",
        "a row is deleted before its claim's answer comes: the handler begins, and runs until the next look",
    ),
    _bug(
        "stop-orphan-in-flight", "WRITES=1 LOSSES=1 LOOK_IS_NOT_REPEATED",
        "the look after a lost connection comes before the claim ends: nobody looks for its row soon",
    ),
)  # fmt: skip

SMALL = tuple(variant for variant in VARIANTS if not variant.is_large)
