"""Credentials of the unit, and the secrets in options that come from them."""

from pathlib import Path

import pytest

from asyncjobd.config.credentials import read_credential
from asyncjobd.config.errors import ConfigError
from asyncjobd_handlers.secret import SecretError, reveal


def test_credential_is_read_anew_without_white_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert read_credential("token") is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_credential("token") is None
    for value in ("one", "two"):
        (tmp_path / "token").write_text(f" {value}\n")
        assert (read_credential("token"), reveal("Bearer ${token}")) == (value, f"Bearer {value}")


def test_credential_that_is_empty_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("token", "of the environment")
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigError, match=r"/token: the credential is empty"):
        read_credential("token")
    with pytest.raises(SecretError, match=r"/token: the credential is empty"):
        reveal("${token}")
