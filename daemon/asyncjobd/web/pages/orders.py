"""The orders that were given over these pages: how far they are, and who gave them."""

from asyncjobd.web.bulk import Order, Orders
from asyncjobd.web.page import LIVE, Asked, Model, Page


class OrdersModel(Model):
    """The orders of this process, the last first."""

    orders: list[Order]


def page_of(orders: Orders) -> Page:
    """Return the page that shows these orders."""

    async def show(_asked: Asked) -> OrdersModel:
        return OrdersModel(title="Orders", orders=list(orders.given))

    return Page("/orders", "orders", show, LIVE, in_menu="Orders", reads=False)
