"""HTTP requests as jobs: webhooks, and calls of an API. The handler is `asyncjobd_handlers.http:Http`."""

try:
    import httpx  # noqa: F401
except ImportError as error:
    raise ImportError(f"{error}; it needs httpx: pip install 'asyncjobd[http]'") from error

from asyncjobd_handlers.http.handler import Http
from asyncjobd_handlers.http.options import HttpOptions

__all__ = ["Http", "HttpOptions"]
