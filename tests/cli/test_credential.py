"""The dsn that a service manager hands over: $CREDENTIALS_DIRECTORY/dsn, before the file's and after the shell's."""

from pathlib import Path

import pytest

from tests.support.daemon import asyncjobd, write_config

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    return tmp_path / "dsn"


def listed(config: Path, handed: Path, **environment: str) -> tuple[int, str]:
    ran = asyncjobd("--config", str(config), "list", CREDENTIALS_DIRECTORY=str(handed.parent), **environment)
    return ran.returncode, ran.stderr


def test_credential_goes_before_the_file_and_after_the_shell(dsn: str, tmp_path: Path, handed: Path) -> None:
    config = write_config(tmp_path, NOWHERE)
    handed.write_text(f"{dsn}\n")
    assert listed(config, handed) == (0, "")
    assert listed(config, handed, ASYNCJOBD_DSN=NOWHERE)[0] == 69
    handed.unlink()
    assert listed(config, handed)[0] == 69


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b" \n", "the credential is empty"), (b"\xff", "the credential is not UTF-8 text")],
)
def test_wrong_credential_is_refused(
    dsn: str, tmp_path: Path, handed: Path, content: bytes, reason: str
) -> None:
    handed.write_bytes(content)
    assert listed(write_config(tmp_path, dsn), handed) == (78, f"Error: {handed}: {reason}\n")


def test_credential_that_cannot_be_read_is_refused(dsn: str, tmp_path: Path, handed: Path) -> None:
    handed.mkdir()
    code, said = listed(write_config(tmp_path, dsn), handed)
    assert (code, said) == (78, f"Error: {handed}: the credential cannot be read: Is a directory\n")
