"""The encoding of a database: UTF8 has all characters, SQL_ASCII is no encoding at all, and all others have some."""

ANY_BYTES = "SQL_ASCII"
ADVICE = "create database NAME encoding 'UTF8' template template0, and move the data there by pg_dump"


def flaw(encoding: str) -> str | None:
    """Answers what is wrong with it; None for UTF8."""
    if encoding == "UTF8":
        return None
    if encoding == ANY_BYTES:
        return f"the database's encoding is {encoding}: its text may be bytes that nobody can read"
    return (
        f"the database's encoding is {encoding}: "
        "what has other characters, such as an error's text, cannot be stored"
    )
