"""The same params declared with each kind of type."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import attrs
import msgspec
import pydantic

from asyncjobd import Context, JobHandler

Copies = Annotated[int, msgspec.Meta(ge=1, le=9, description="how many")]


class StructLetter(msgspec.Struct, forbid_unknown_fields=True):
    to: str
    copies: Copies = 1
    tags: list[str] = []


@dataclass
class DataclassLetter:
    to: str
    copies: Copies = 1
    tags: list[str] = field(default_factory=list)


class TypedDictLetter(TypedDict):
    to: str
    copies: NotRequired[Copies]
    tags: NotRequired[list[str]]


@attrs.define
class AttrsLetter:
    to: str
    copies: Copies = 1
    tags: list[str] = attrs.field(factory=list)


class PydanticLetter(pydantic.BaseModel, extra="forbid"):
    to: str
    copies: int = pydantic.Field(1, ge=1, le=9, description="how many")
    tags: list[str] = []


class ByStruct(JobHandler[StructLetter]):
    """Posts a letter,
    or several.

    At the post office.
    """

    async def execute(self) -> None:  # type: ignore[override]
        pass


class ByDataclass(JobHandler[DataclassLetter]):
    async def execute(self) -> None:  # type: ignore[override]
        pass


async def by_typed_dict(params: TypedDictLetter, context: Context) -> None:
    """Posts a letter."""


def by_attrs(params: AttrsLetter, context: Context) -> None:
    pass


async def by_pydantic(params: PydanticLetter, context: Context) -> None:
    pass


class ByItself(JobHandler[StructLetter]):
    """Takes an address."""

    def set_params(self, raw: Any) -> None:
        super().set_params({"to": raw})

    async def execute(self) -> None:  # type: ignore[override]
        pass


class Inner(msgspec.Struct):
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    level: Literal["low", "high"]


class Deep(msgspec.Struct):
    inner: Inner
    many: dict[str, list[Inner]]
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    pair: Annotated[list[int], msgspec.Meta(min_length=2)]
    code: Annotated[str, msgspec.Meta(min_length=5, max_length=8)]
    either: int | str | None
    perhaps: Inner | None = None


async def deep(params: Deep, context: Context) -> None:
    pass


async def anything(params, context):  # type: ignore[no-untyped-def]
    pass
