"""Check the models: `python -m tests.models [--large] [NAME]`. Needs spin, tcc and gcc.

Print a table of what was checked. Exit with 1 if a model breaks, or if a planted bug does not break one.
"""

import argparse
import sys

from tests.models.checker import CheckError, check
from tests.models.variants import VARIANTS, Kind, Variant

HEAD = "| variant | what holds, or breaks | states | steps | s | |\n|---|---|---|---|---|---|"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.models", description="Check the models.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one variant, whatever its size")
    parser.add_argument("--large", action="store_true", help="also what takes minutes")
    options = parser.parse_args(arguments)
    variants = [each for each in VARIANTS if _is_chosen(each, options.name, with_large=options.large)]
    if not variants:
        parser.error(f"there is no variant {options.name}")
    print(HEAD, flush=True)
    return max([_check(variant) for variant in variants])


def _is_chosen(variant: Variant, name: str | None, *, with_large: bool) -> bool:
    return with_large or not variant.is_large if name is None else variant.name == name


def _check(variant: Variant) -> int:
    """Check it, print its row, and return the exit code."""
    label = f"`{variant.name}`" if variant.kind is Kind.BUG else f"`{variant.name}` ({variant.kind})"
    try:
        found = check(variant.model, variant.macros, optimize=variant.is_large)
    except CheckError as error:
        print(f"| {label} | {variant.shows} | | | | NOT CHECKED |", flush=True)
        print(error, file=sys.stderr)
        return 1
    is_right = found.holds == variant.must_hold
    steps = "" if found.steps is None else str(found.steps)
    verdict = "ok" if is_right else "NOT OK"
    print(
        f"| {label} | {variant.shows} | {found.states:,} | {steps} | {found.seconds:.1f} | {verdict} |",
        flush=True,
    )
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
