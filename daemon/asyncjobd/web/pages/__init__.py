"""The pages of `asyncjobd web`."""

from asyncjobd.web.pages import overview

PAGES = [overview.PAGE]
