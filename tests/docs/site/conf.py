"""Sphinx's configuration for the site."""

import re

import asyncjobd

project = "asyncjobd"
version = release = asyncjobd.__version__
copyright = "the authors of asyncjobd, MIT licence"  # noqa: A001
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

html_theme = "furo"
html_title = f"asyncjobd {version}"
html_copy_source = False

myst_heading_anchors = 4
napoleon_use_ivar = True  # attributes are documented where their class is
smartquotes = False
default_role = "code"  # docstrings have code between single backticks
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True}

for _name in asyncjobd.__all__:
    getattr(asyncjobd, _name)  # it is imported when it is first used, and documented only then


def mark_code(
    _app: object, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Make the indented parts of a docstring code blocks, before napoleon reads the rest."""
    lines[:] = re.sub(r"(?m)^(\S.*)\n\n(?= +\S)", r"\1\n\n::\n\n", "\n".join(lines)).split("\n")


def setup(app: object) -> None:
    app.connect("autodoc-process-docstring", mark_code, priority=100)  # type: ignore[attr-defined]
