"""Its database is that of $DATABASE_URL, until `tests.contrib.django_site` sets another one."""

import importlib.util
import os

from psycopg.conninfo import conninfo_to_dict

dsn = conninfo_to_dict(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": dsn["dbname"],
        "HOST": dsn["host"],
        "USER": dsn["user"],
    }
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "asyncjobd.contrib.django",
]
if importlib.util.find_spec("django.tasks") is None:
    INSTALLED_APPS.append("django_tasks")
TASKS = {
    "default": {
        "BACKEND": "asyncjobd.contrib.django.tasks.AsyncjobdBackend",
        "QUEUES": ["default", "letters"],
    }
}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "tests.contrib.shop.urls"
SECRET_KEY = "of tests"
USE_TZ = True
LOGGING_CONFIG = None
ALLOWED_HOSTS = ["testserver"]
