"""What has ended over a time, of all actions together."""

from asyncjobd.web.charts import Charts, read_charts
from asyncjobd.web.page import Asked, Model, Page

PACE = 30.0  # seconds; daemons write the history once a minute


class HistoryModel(Model):
    """The history of all actions."""

    history: Charts


async def history(asked: Asked) -> HistoryModel:
    """Look back."""
    return HistoryModel(title="History", history=await read_charts(asked))


PAGE = Page("/history", "history", history, PACE, parameters=("span",))
