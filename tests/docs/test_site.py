"""The documentation makes a site without a warning; a link that leads nowhere is one, as is a docstring at fault."""

from pathlib import Path

import pytest

from tests.docs.site.__main__ import build

pytest.importorskip("sphinx", reason="it needs the extra `docs`")


def test_site_has_no_link_that_leads_nowhere(tmp_path: Path) -> None:
    assert build(tmp_path / "site", "dummy") == 0
