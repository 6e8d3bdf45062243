"""The encoding of a database. Only UTF8 can store every text; SQL_ASCII does not check text at all."""

SQL_ASCII = "SQL_ASCII"
ENCODING_ADVICE = "create database NAME encoding 'UTF8' template template0, and move the data by pg_dump"


def encoding_problem(encoding: str) -> str | None:
    """Return what is wrong with an encoding, or None for UTF8."""
    if encoding == "UTF8":
        return None
    if encoding == SQL_ASCII:
        return f"the database's encoding is {encoding}: its text may be bytes that nobody can read"
    return f"the database's encoding is {encoding}: it cannot store text with other characters"
