"""The first configuration of an installation: every key with its default, commented."""

from importlib.resources import as_file, files


def example() -> str:
    """Return the text of a first configuration, whose first line names the schema for editors."""
    package = files("asyncjobd")
    text = (package / "config.example.toml").read_text(encoding="utf-8")
    with as_file(package / "share" / "config.schema.json") as schema:
        return f"#:schema {schema}\n{text}"
