"""The models hold, each planted bug breaks one, and their steps are those of the engine."""

import re

import pytest

from tests.docs.snippets import text_of
from tests.models.checker import FOLDER, CheckError, check, read_output
from tests.models.steps import exists, read_names, read_steps
from tests.models.variants import SMALL, VARIANTS, Kind, Variant

MODELS = sorted({variant.model for variant in VARIANTS})
LEAST_BUGS = 20
HOLDS = "State-vector 56 byte, depth reached 112, errors: 0\n     1243 states, stored\n"


@pytest.mark.parametrize("variant", SMALL, ids=lambda variant: variant.name)
def test_model_holds_and_breaks_as_it_must(variant: Variant) -> None:
    assert check(variant.model, variant.macros).holds == variant.must_hold, variant.shows


def test_names_of_variants_are_unique() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
    assert sum(variant.kind is Kind.BUG for variant in SMALL) >= LEAST_BUGS


def test_variants_are_documented() -> None:
    documented = re.findall(r"^\| `([\w-]+)` \|", text_of("why/models"), re.MULTILINE)
    assert sorted(documented) == sorted(variant.name for variant in VARIANTS)


@pytest.mark.parametrize("model", MODELS)
def test_every_macro_is_known_to_its_model_and_every_bug_is_planted(model: str) -> None:
    text = (FOLDER / f"{model}.pml").read_text()
    known = set(re.findall(r"^#(?:ifn?def|if !?defined|elif !?defined) *\(?(\w+)", text, re.MULTILINE))
    used = {
        macro.partition("=")[0] for variant in VARIANTS for macro in variant.macros if variant.model == model
    }
    assert known == used


@pytest.mark.parametrize("model", MODELS)
def test_every_step_names_its_code(model: str) -> None:
    steps = list(read_steps(model))
    assert len(steps) > 10
    assert [step.place for step in steps if not step.names] == []


@pytest.mark.parametrize("model", MODELS)
def test_named_code_exists(model: str) -> None:
    assert [name for name in sorted(read_names(model)) if not exists(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        "jobs/no_such_query.sql", "function asyncjob.no_such_function", "trigger no_such_trigger",
        "asyncjobd.engine.wake.Wake.no_such_method", "asyncjobd.no_such_module.Wake", "no_such_name",
    ],
)  # fmt: skip
def test_code_that_does_not_exist_is_found_out(name: str) -> None:
    assert not exists(name)


def test_search_that_is_too_shallow_is_no_answer() -> None:
    with pytest.raises(CheckError, match="not complete"):
        check("gate", ("D=1", "C=1"), max_depth=30)


def test_model_with_a_mistake_is_no_answer() -> None:
    with pytest.raises(CheckError, match="failed"):
        check("gate", ("D=1", "C=1", "row=7"))


@pytest.mark.parametrize(
    "output",
    [
        "", HOLDS.replace("errors: 0", "errors: 1"), HOLDS.partition("\n")[0],
        f"error: max search depth too small\n{HOLDS}", f"pan: reached -DMEMLIM bound\n{HOLDS}",
        f"Warning: Search not completed\n{HOLDS}",
        f"pan:1: invalid end state (at depth 7)\n{HOLDS}".replace("errors: 0", "errors: 1"),
    ],
    ids=["nothing", "unknown error", "no states", "depth", "memory", "interrupted", "end state"],
)  # fmt: skip
def test_output_that_is_not_the_whole_answer_is_refused(output: str) -> None:
    assert read_output(HOLDS, 0.0).holds
    with pytest.raises(CheckError):
        read_output(output, 0.0)
