"""The path /healthz beside the metrics, for those who restart a daemon that hangs: containers, load balancers."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/healthz"


def with_healthz(app: "WSGIApplication", problem: Callable[[], str]) -> "WSGIApplication":
    """Return an application that answers PATH itself: 200, or 503 with the problem in a line.

    Args:
        app: Answers all other paths.
        problem: Returns why the daemon should be restarted, empty where it should not. Called in the server's threads.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return app(environ, start_response)
        found = problem()
        status = "503 Service Unavailable" if found else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
        return [f"{found or 'ok'}\n".encode()]

    return answer
