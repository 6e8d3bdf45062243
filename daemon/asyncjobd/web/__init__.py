"""The web page: looks at the jobs and orders what becomes of them, in a process of its own or in another program's.

To make it a part of a program that has users of its own, mount it:

    from asyncjobd.web import Transactions, Viewer, application

    async with Transactions.connect(dsn) as transactions:
        app.mount("/jobs", application(transactions, viewer_of))
"""

from asyncjobd.web.site import application
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import MayNotLook, Viewer, ViewerOf

__all__ = ["MayNotLook", "Transactions", "Viewer", "ViewerOf", "application"]
