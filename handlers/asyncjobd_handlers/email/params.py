"""The params of an email job."""

import msgspec

from asyncjobd_handlers.email.addresses import domain_of

MOST_RECIPIENTS = 100  # every server takes as many


class EmailParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recipients by their addresses alone, without names; `values` fill in the templates of the options."""

    to: str | list[str]
    cc: list[str] = []
    bcc: list[str] = []
    reply_to: str | None = None
    values: dict[str, str | int | float | bool] = {}
    attachments: list[str] = []

    @property
    def to_addresses(self) -> list[str]:
        return [self.to] if isinstance(self.to, str) else self.to

    @property
    def recipients(self) -> list[str]:
        """Return all addresses that the email goes to, each once."""
        return list(dict.fromkeys([*self.to_addresses, *self.cc, *self.bcc]))

    def check(self, allowed_domains: tuple[str, ...]) -> None:
        """Raise ValueError for an address that is none, that is not allowed (empty: all are), or one too
        many."""
        allowed = {domain.lower() for domain in allowed_domains}
        if not 1 <= len(self.recipients) <= MOST_RECIPIENTS:
            raise ValueError(f"{len(self.recipients)} recipients: expected 1 to {MOST_RECIPIENTS}")
        for address in self.recipients:
            if domain_of(address) not in allowed and allowed:
                raise ValueError(f"{address!r} is not in allowed_domains")
        if self.reply_to is not None:
            domain_of(self.reply_to)
