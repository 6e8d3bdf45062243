"""A handler of daemons whose history has minutes of half a second: importing it makes them so, in that process alone."""

from asyncjobd.engine.upkeep import history_writer
from tests.support.handlers import succeed

__all__ = ["succeed"]

history_writer.MINUTE = 0.5
history_writer.SPREAD = 0.05
