"""What a form of ours sends."""

from urllib.parse import parse_qsl

from starlette.requests import Request

MOST_FIELDS = 1_000


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; the last of those with one name. Empty where the body is no form.

    Starlette's own reader needs one more package, for files.
    """
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}
