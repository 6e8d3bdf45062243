"""The Django app."""

from django.apps import AppConfig


class AsyncjobdConfig(AppConfig):
    name = "asyncjobd.contrib.django"
    label = "asyncjobd"
    verbose_name = "Background jobs"
