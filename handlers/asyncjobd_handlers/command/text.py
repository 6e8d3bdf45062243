"""Text of what a program writes."""


def printable(line: bytes) -> str:
    """Return any bytes as text that PostgreSQL takes, and that moves no cursor of a terminal."""
    decoded = line.rstrip().decode(errors="replace")
    return "".join(each if each.isprintable() or each == "\t" else "\ufffd" for each in decoded)
