"""The files of daemon/asyncjobd/share that are made from the code: `python -m tests.packaging.generated` renews them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from click.shell_completion import get_completion_class

from asyncjobd.cli import main
from asyncjobd.config.schema import schema

SHARE = Path(__file__).parents[2] / "daemon" / "asyncjobd" / "share"
COMPLETIONS = {"bash": "asyncjobd.bash", "zsh": "_asyncjobd", "fish": "asyncjobd.fish"}


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file and what is to be in it."""
    for shell, name in COMPLETIONS.items():
        kind = get_completion_class(shell)
        assert kind is not None
        completion = kind(main, {}, "asyncjobd", "_ASYNCJOBD_COMPLETE")
        yield SHARE / "completions" / name, completion.source()
    yield SHARE / "config.schema.json", msgspec.json.format(msgspec.json.encode(schema())).decode() + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
