"""The handler of the daemon."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.contrib.shop.settings")

from asyncjobd.contrib.django.handlers import run_task

__all__ = ["run_task"]
