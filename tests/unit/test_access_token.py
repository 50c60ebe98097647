"""The token of a cluster: made once, private, and found where Ray finds it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from farm import access_token
from farm.errors import UsageError


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_made_once_and_is_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "home" / ".ray" / "auth_token"
    before = os.umask(0)
    try:
        made = access_token.ensure(path).read_text()
    finally:
        os.umask(before)
    assert len(made) >= 32
    assert _mode(path) == 0o600
    assert _mode(path.parent) == 0o700
    assert access_token.ensure(path).read_text() == made
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_token_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text("secret")
    path.chmod(mode)
    with pytest.raises(UsageError, match="others can read it") as caught:
        access_token.ensure(path)
    assert "secret" not in str(caught.value)


def test_a_token_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    path = access_token.ensure(folder / "token")
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="others can replace it"):
        access_token.require_private(path)


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    with pytest.raises(UsageError, match="is empty"):
        access_token.require_private(path)


def test_what_is_no_token_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="cannot be read"):
        access_token.find({"HOME": str(tmp_path), "RAY_AUTH_TOKEN_PATH": str(path)})
    path.unlink()
    path.touch(mode=0o600)
    for content in (b"\x85\xff", b"one\ntwo"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="not one line of plain text"):
            access_token.require_private(path)
    path.write_bytes(b"secret\n")
    access_token.require_private(path)
    with pytest.raises(UsageError, match="cannot be written"):
        access_token.ensure(path / "home" / ".ray" / "auth_token")


def test_it_is_looked_for_where_ray_looks(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path / "home")}
    assert access_token.find(environment) is None
    default = access_token.ensure(tmp_path / "home" / ".ray" / "auth_token")
    assert access_token.find(environment) == default
    named = access_token.ensure(tmp_path / "named")
    environment["RAY_AUTH_TOKEN_PATH"] = str(named)
    assert access_token.find(environment) == named
    environment["RAY_AUTH_TOKEN_PATH"] = str(tmp_path / "none")
    with pytest.raises(UsageError, match="does not exist"):
        access_token.find(environment)


def test_a_token_in_the_environment_moves_into_a_private_file(tmp_path: Path) -> None:
    for text in ("given", "another"):
        environment = {"HOME": str(tmp_path), "RAY_AUTH_TOKEN": text}
        path = access_token.find(environment)
        assert path is not None
        assert path.read_text() == text
        assert _mode(path) == 0o600
        assert "RAY_AUTH_TOKEN" not in environment
