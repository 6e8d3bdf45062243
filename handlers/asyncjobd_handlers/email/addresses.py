"""Addresses of emails: name@example.com, of plain ASCII."""

import re

_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+"  # without % and !, by which old servers route
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@((?:[A-Za-z0-9-]{{1,63}}\.)*[A-Za-z0-9-]{{1,63}})")


def domain_of(address: str) -> str:
    """Return the domain of an address, in small letters. Raise ValueError if the text is not an address
    alone."""
    match = _ADDRESS.fullmatch(address)
    if match is None or "=?" in address:  # a header would decode an encoded word to something else
        raise ValueError(f"{address!r} is not an address of the form name@example.com")
    return match[1].lower()
