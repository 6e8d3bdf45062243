"""Pages as HTML. Templates print all values as text: markup comes from templates alone.

Invisible characters are written out. The filter `field` leaves them as they are, for what a form or a copy gives back.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from asyncjobd.monitoring import units
from asyncjobd.web import text, times
from asyncjobd.web.assets import Assets
from asyncjobd.web.charts import SPANS
from asyncjobd.web.page import Page
from asyncjobd.web.pages.documentation import TopicModel


class Drawing:
    """The templates, with what all of them may use."""

    def __init__(self, assets: Assets, label: str, pages: Sequence[Page]) -> None:
        self._environment = Environment(
            loader=PackageLoader("asyncjobd.web"), autoescape=True, undefined=StrictUndefined,
            finalize=text.visible, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._environment.filters.update(
            duration=units.duration, count=units.count, rate=units.rate, plural=units.plural, size=units.size,
            quantiles=units.median_and_p99, segments=text.segments, flat=text.flat,
            field=escape, documentation=_documentation, clock=times.clock, whole=times.whole, away=times.away,
        )  # fmt: skip
        self._environment.globals.update(
            asset=assets.name, label=label, spans=[*SPANS], version=version("asyncjobd"),
            pages=[(page.path, page.in_menu) for page in pages if page.in_menu],
        )  # fmt: skip

    def main(self, name: str, **values: Any) -> str:
        """Return what stands in <main>, drawn by templates/NAME.html."""
        template = self._environment.get_template(f"{name}.html")
        return "".join(template.blocks["main"](template.new_context(values)))

    def page(self, main: str, **values: Any) -> str:
        """Return a whole page around what stands in <main>, which all viewers share."""
        before, end, after = self._environment.get_template("base.html").render(values).partition("</main>")
        return f"{before}{main}{end}{after}"


def _documentation(model: TopicModel, root: str) -> Markup:
    """Return a page of the documentation as markup, which it is alone: it comes with the package, not from rows."""
    return Markup(model.html.replace('"ROOT/', f'"{escape(root)}/'))  # noqa: S704
