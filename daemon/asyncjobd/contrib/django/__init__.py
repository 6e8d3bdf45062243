"""Jobs in Django: insert them inside `atomic`, read and order them in the admin, run Django's Tasks.

Put "asyncjobd.contrib.django" into INSTALLED_APPS for the models and the admin. Django's migrations leave the tables
alone: `asyncjobd migrate` makes them. Where another schema than asyncjob is configured, set ASYNCJOBD_SCHEMA.
"""

from asyncjobd.contrib.django.insertion import enqueue, enqueue_many

__all__ = ["enqueue", "enqueue_many"]
