"""Why a job is as it is: what it waits for, where it runs, how it ended, or why there is none."""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
