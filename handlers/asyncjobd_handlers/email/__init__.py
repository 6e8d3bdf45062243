"""Emails as jobs, sent by SMTP. The handler is `asyncjobd_handlers.email:Email`."""

try:
    import aiosmtplib  # noqa: F401
except ImportError as error:
    raise ImportError(f"{error}; it needs aiosmtplib: pip install 'asyncjobd[email]'") from error

from asyncjobd_handlers.email.handler import Email
from asyncjobd_handlers.email.options import EmailOptions
from asyncjobd_handlers.email.params import EmailParams

__all__ = ["Email", "EmailOptions", "EmailParams"]
