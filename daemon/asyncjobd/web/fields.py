"""What somebody has sent with a form."""

from urllib.parse import parse_qs

from starlette.requests import Request

from asyncjobd.web.page import Unclear


class Form:
    """The fields of a form."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    @classmethod
    async def of(cls, request: Request) -> "Form":
        """Read the form of a POST. Raise Unclear for a body that is none."""
        try:
            return cls(
                parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=10_000)
            )
        except ValueError as error:
            raise Unclear(f"The form cannot be read: {error}") from error

    @classmethod
    def in_url(cls, request: Request) -> "Form":
        """Return the form of a GET."""
        query = request.query_params
        return cls({key: query.getlist(key) for key in query})

    def get(self, name: str, default: str | None = None) -> str:
        """Return the value of a field, with the line ends that it had before a browser made them those of forms.

        Raise Unclear where it is missing, and there is no default.
        """
        values = self._fields.get(name) or ([] if default is None else [default])
        if not values:
            raise Unclear(f"The form lacks {name}: open the page again, and order from there.")
        return values[0].replace("\r\n", "\n")

    def ids(self) -> list[int]:
        """Return the ids of the jobs that are marked. Raise Unclear for what is no id."""
        texts = self._fields.get("id", [])
        for text in texts:
            if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63):
                raise Unclear(f"{text[:50]!r} is not the id of a job.")
        return list(dict.fromkeys(map(int, texts)))
