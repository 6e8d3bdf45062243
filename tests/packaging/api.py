"""What has changed in the public Python API since a release: `python -m tests.packaging.api [TAG]`.

Without a TAG it compares with the last one. Exit code 1: something is gone, or takes other arguments.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[2]
PUBLIC = (
    "asyncjobd",
    "asyncjobd.contrib.django",
    "asyncjobd.contrib.psycopg",
    "asyncjobd.contrib.sqlalchemy",
    "asyncjobd.testing",
    "asyncjobd.web",
)  # modules whose __all__ others import


def main(arguments: Sequence[str], repository: Path = ROOT) -> int:
    tag = arguments[0] if arguments else last_tag(repository)
    if tag is None:
        print("there is no tag yet: there is nothing to compare with")
        return 0
    found = breakages(repository, tag)
    for breakage in found:
        print(breakage.explain(griffe.ExplanationStyle.ONE_LINE))
    print(f"breaking changes since {tag}: {len(found)}")
    return 1 if found else 0


def last_tag(repository: Path) -> str | None:
    ran = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], cwd=repository, capture_output=True, text=True
    )
    return ran.stdout.strip() or None


def breakages(repository: Path, tag: str) -> list[griffe.Breakage]:
    """Return what is gone or changed since a tag, of what is public there."""
    before = griffe.load_git(
        "asyncjobd", ref=tag, repo=repository, search_paths=["daemon"], resolve_aliases=True
    )
    now = griffe.load("asyncjobd", search_paths=[repository / "daemon"], resolve_aliases=True)
    public = tuple(public_paths(before))
    return [
        breakage for breakage in griffe.find_breaking_changes(before, now)
        if f"{breakage.obj.path}.".startswith(public)
    ]  # fmt: skip


def public_paths(package: griffe.Object | griffe.Alias) -> Iterator[str]:
    """Yield the paths of the public names, and of what they stand for, each with a dot at its end."""
    for path in PUBLIC:
        module = package if path == package.path else package[path.partition(".")[2]]
        for name in module.exports or ():
            yield f"{path}.{name}."
            yield f"{module[str(name)].canonical_path}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
