"""One process per card: the lock goes with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from farm.card_lock import hold_card, private_folder
from farm.errors import CardError

HOLDER = """
import sys
from farm.card_lock import hold_card
hold_card(sys.argv[1], 0)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_card_has_one_holder_until_that_dies() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, "sim:0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CardError, match="sim:0 is in use by another run"):
        hold_card("sim:0", wait_s=0)
    os.close(hold_card("sim:1", wait_s=0))
    holder.kill()
    holder.communicate()
    os.close(hold_card("sim:0"))


def test_the_folder_of_the_locks_is_private() -> None:
    folder = private_folder("a", "b")
    assert folder.is_dir()
    root = folder.parent.parent
    assert root.stat().st_mode & 0o777 == 0o700
    root.chmod(0o755)
    private_folder()
    assert root.stat().st_mode & 0o777 == 0o700


def test_a_link_planted_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"sweepfarm-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CardError, match="belongs to another user"):
        private_folder()


def test_a_temporary_directory_that_cannot_be_used_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(CardError, match="Have TMPDIR name a folder"):
        private_folder("cards")
