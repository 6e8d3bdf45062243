"""The first configuration of an installation: every key with its default, commented."""

from importlib.resources import files


def template() -> str:
    """Return config.example.toml."""
    return (files("asyncjobd") / "config.example.toml").read_text(encoding="utf-8")


def example() -> str:
    """Return the text of a first configuration, whose first line names the schema for editors."""
    return f"#:schema {files('asyncjobd') / 'share' / 'config.schema.json'}\n{template()}"
