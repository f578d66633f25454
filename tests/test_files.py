from __future__ import annotations

import os
from pathlib import Path

import pytest

from netparity.errors import InputError
from netparity.files import check_writable, make_folder, write_whole


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.json"
    write_whole(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_whole(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_written_as_utf8_with_the_usual_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_whole(file, "½Σ\n")
    assert file.read_bytes() == "½Σ\n".encode()
    other = tmp_path / "b.txt"
    other.touch()
    assert file.stat().st_mode == other.stat().st_mode


def test_what_cannot_be_written_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        check_writable(tmp_path / "absent" / "a.txt")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        make_folder(tmp_path / "file" / "below")
