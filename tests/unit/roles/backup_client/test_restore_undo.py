# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person under stress types after a restore: nothing is undone or dropped that was not meant."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from paranoid_dispatcher.mounts import Mounts
from paranoid_restore import journal, main
from paranoid_restore.errors import RestoreError
from paranoid_restore.restoring import undoing_told

Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types the command on a host; returns its exit code and all that it says."""
    config = dict.fromkeys(("relay", "passphrase_file", "repository"), "/nowhere") | {"base_dir": str(tmp_path)}
    (tmp_path / "client.json").write_text(json.dumps(config))

    def command(*words: str) -> tuple[int, str]:
        code = main.main(list(words), tmp_path / "client.json")
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


def restored(base_dir: Path, identifier: str) -> Path:
    """Make what a restore leaves: a file that it replaced, below a directory of its own."""
    root = base_dir / f"root-{identifier}"
    root.mkdir()
    made = journal.begin(base_dir, identifier, str(root), "web1-1")
    notes = journal.Journal(made, "0")
    kept = notes.kept_name()
    notes.note("conf", "replaced", kept=kept)
    (root / kept).write_text("mine")
    (root / "conf").write_text("restored")
    return root / "conf"


@pytest.mark.parametrize("again", ["--undo", "--forget"])
@pytest.mark.parametrize("word", ["--undo", "--forget"])
def test_the_same_word_twice_leaves_the_restore_before_it_alone(
    typed: Typed, tmp_path: Path, word: str, again: str
) -> None:
    first, second = restored(tmp_path, "1"), restored(tmp_path, "2")
    code, said = typed(word)
    assert code == 0 and f"restore 2 of web1-1 to {second.parent}: " in said
    assert second.read_text() == ("mine" if word == "--undo" else "restored")
    code, said = typed(again)
    assert code == 2 and "2 was the newest and is done with; say which of those before it, by its id: 1" in said
    assert first.read_text() == "restored" and len(list(first.parent.iterdir())) == 2
    assert typed(again, "1")[0] == 0
    code, said = typed(again)
    assert code == 2 and "there is no restore to take back; kept are: none" in said


def test_after_another_restore_the_newest_is_meant_again(typed: Typed, tmp_path: Path) -> None:
    restored(tmp_path, "1")
    assert typed("--undo")[0] == 0
    third = restored(tmp_path, "3")
    assert typed("--undo")[0] == 0 and third.read_text() == "mine"


def test_a_drill_is_forgotten_and_then_no_restore_that_a_person_means(typed: Typed, tmp_path: Path) -> None:
    """It kept nothing, and what it brought is removed."""
    mine = restored(tmp_path, "1")
    journal.Journal(journal.begin(tmp_path, "2", str(tmp_path / "drill"), "web1-1"), "0").note("conf", "created")
    assert typed("--forget", "2")[0] == 0
    assert typed("--undo")[0] == 0 and mine.read_text() == "mine"


@pytest.mark.parametrize("words", [["--undo"], ["--undo", "2"], ["--forget"], ["--forget", "2"]])
def test_a_disk_that_is_not_mounted_has_what_was_kept(typed: Typed, tmp_path: Path, words: list[str]) -> None:
    """Nothing is forgotten of it, nothing is done to the restore before it, and what is advised works."""
    older, away = restored(tmp_path, "1"), restored(tmp_path, "2").parent
    away.rename(tmp_path / "disk")
    code, said = typed(*words)
    assert code == 2 and f"restore 2 of web1-1 to {away}: nothing is there any more: mount it; " in said
    assert older.read_text() == "restored"
    (tmp_path / "disk").rename(away)
    assert typed(*words)[0] == 0 and [path.name for path in away.iterdir()] == ["conf"]
    assert (away / "conf").read_text() == ("mine" if words[0] == "--undo" else "restored")


def test_a_disk_that_is_gone_for_good_is_let_go(typed: Typed, tmp_path: Path) -> None:
    away = restored(tmp_path, "2").parent
    shutil.rmtree(away)
    assert typed("--forget")[0] == 2
    away.mkdir()
    assert typed("--forget")[0] == 0
    assert "kept are: none" in typed("--undo")[1]


@pytest.mark.parametrize("word", ["--undo", "--forget"])
def test_a_disk_that_is_mounted_below_what_is_kept_is_not_emptied(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """A directory in which something is mounted can be renamed, and takes that along."""
    root = restored(tmp_path, "1").parent
    (kept,) = root.glob(".paranoid-before-*")
    kept.unlink()
    (kept / "disk").mkdir(parents=True)
    (kept / "disk/precious").touch()
    monkeypatch.setattr(Mounts, "read", lambda: Mounts(frozenset([f"{kept}/disk"]), ()))
    code, said = typed(word)
    if word == "--forget":
        assert code == 1 and "something is mounted below it: umount that" in said and (kept / "disk/precious").exists()
        monkeypatch.setattr(Mounts, "read", lambda: Mounts(frozenset(["/"]), ()))
        assert typed(word)[0] == 0 and not kept.exists()
    else:
        assert code == 0 and (root / "conf/disk/precious").exists()


def test_the_newest_is_the_one_that_was_made_last(typed: Typed, tmp_path: Path) -> None:
    """Whatever the clock says: the other one may be what somebody has worked on since."""
    older, newer = restored(tmp_path, "20261126T100000Z-99"), restored(tmp_path, "20261126T090000Z-100")
    assert typed("--undo")[0] == 0
    assert (older.read_text(), newer.read_text()) == ("restored", "mine")


def test_a_note_that_the_disk_took_in_part_spoils_no_other(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = journal.begin(tmp_path, "1", str(tmp_path), "web1-1")
    notes, write = journal.Journal(made, "0"), os.write
    full = iter([4, None])

    def part(descriptor: int, data: bytes) -> int:
        size = next(full)
        if size is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:size])

    monkeypatch.setattr(os, "write", part)
    with pytest.raises(OSError, match="No space"):
        notes.note("never", "created")
    monkeypatch.setattr(os, "write", write)
    notes.note("conf", "created")
    (tmp_path / "conf").touch()
    assert typed("--undo")[0] == 0 and not (tmp_path / "conf").exists()


def test_without_room_for_notes_nothing_is_begun_and_the_others_stay(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = restored(tmp_path, "1")

    def full(_self: Path, _text: str, encoding: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(RestoreError, match=r"could not be taken back: the disk is full.*nothing was written"):
            journal.begin(tmp_path, "2", str(tmp_path), "web1-1")
        code, said = typed("--undo")
        assert code == 2 and "it is done, and cannot be noted: the disk is full" in said
    (tmp_path / "undo/2/about.json").write_text("")  # as an earlier version left it
    assert typed("--undo")[0] == 0 and mine.read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_notes_that_cannot_be_read_or_written_are_one_line(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    restored(tmp_path, "1")

    def broken(_directory: Path) -> str:
        raise OSError(number, os.strerror(number), str(tmp_path / "undo"))

    monkeypatch.setattr(journal, "root_of", broken)
    code, said = typed("--undo")
    assert code == 2 and said.count("\n") == 1 and said.endswith(f": {tmp_path}/undo\n")


@pytest.mark.parametrize(("inode", "mode"), [([0, 0], 0o755), (None, 0o4755)])
def test_what_somebody_put_in_its_place_gets_no_rights(
    typed: Typed, tmp_path: Path, inode: list[int] | None, mode: int
) -> None:
    """Who owns the directory could have another program there, or have written into it while it was his."""
    path = tmp_path / "program"
    path.touch(0o600)
    found = path.stat()
    own = {"mode": stat.S_IFREG | mode, "uid": found.st_uid, "gid": found.st_gid, "atime": 0, "mtime": 0}
    made = journal.begin(tmp_path, "1", str(tmp_path), "web1-1")
    journal.Journal(made, "0").note("program", "attributes", **own, **({"inode": inode} if inode else {}))
    code, said = typed("--undo")
    assert code == 1 and ("something else is there" in said or "not setuid" in said)
    assert stat.S_IMODE(path.stat().st_mode) == (0o600 if inode else 0o755)


@pytest.mark.parametrize("word", [["--undo"], ["--forget"], ["--close"], ["--withdraw"], ["--request", "why"]])
@pytest.mark.parametrize(
    "beside",
    [["--check"], ["etc"], ["--list"], ["--all"], ["--to", "/x"], ["--as-of", "2026-11-20"], ["--database", "x"]],
)
def test_what_acts_at_once_does_nothing_beside_another_word(
    typed: Typed, tmp_path: Path, word: list[str], beside: list[str]
) -> None:
    """Who types --check wants to see what would be done."""
    mine = restored(tmp_path, "1")
    (tmp_path / "open").touch()
    code, said = typed(*beside, *word)
    assert code == 2 and f"{word[0]} is a command by itself" in said and said.count("\n") == 1
    assert mine.read_text() == "restored" and (tmp_path / "open").exists() and not (tmp_path / "request.json").exists()


def test_an_end_in_the_middle_names_what_takes_back_this_restore_and_no_other(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RestoreError, match="the tunnel is closed; --undo 7 takes back what came"), undoing_told("7"):
        raise RestoreError("the tunnel is closed")

    def stopped(begun: bool) -> None:
        if not begun:
            raise KeyboardInterrupt
        with undoing_told("7"):
            raise KeyboardInterrupt

    for begun, expected in ((False, "goes on\n"), (True, "goes on; --undo 7 takes back what came\n")):
        monkeypatch.setattr(main, "run", lambda *_all, begun=begun: stopped(begun))
        code, said = typed("etc")
        assert code == 2 and said.endswith(f"stopped; the same command {expected}")


def noted(base_dir: Path, *notes: tuple[str, str], kept: str = "") -> Path:
    """Make the notes of a restore; where it kept something, under this name."""
    root = base_dir / "root"
    root.mkdir()
    journal_of_one = journal.Journal(journal.begin(base_dir, "1", str(root), "web1-1"), "0")
    for path, kind in notes:
        journal_of_one.note(path, kind, **({"kept": kept} if kind == "replaced" else {}))
    return root


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_what_was_noted_and_not_done_stays(typed: Typed, tmp_path: Path) -> None:
    """A restore was killed between its note and its deed: what is there is the owner's."""
    root = noted(tmp_path, ("conf", "replaced"), ("gone", "created"), kept=f"{journal.KEPT_PREFIX}1-0-1")
    (root / "conf").write_text("mine")
    assert typed("--undo")[0] == 0 and (root / "conf").read_text() == "mine" and tree(root) == ["conf"]


def test_what_came_goes_from_below_and_what_others_put_there_stays(typed: Typed, tmp_path: Path) -> None:
    root = noted(tmp_path, ("a", "created"), ("a/b", "created"), ("a/b/c", "created"), ("d", "created"))
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/c").write_text("restored")
    (root / "a/mine").write_text("mine")
    (root / "d").write_text("restored")
    code, said = typed("--undo")
    assert code != 0 and "a" in said and tree(root) == ["a", "a/mine"]
    assert (tmp_path / "undo/1").is_dir(), "what could not be taken back is still known"
    (root / "a/mine").unlink()
    assert typed("--undo")[0] == 0 and tree(root) == [] and not (tmp_path / "undo/1").exists()


def test_to_forget_takes_only_what_was_kept(typed: Typed, tmp_path: Path) -> None:
    kept = f"{journal.KEPT_PREFIX}1-0-1"
    root = noted(tmp_path, ("a", "created"), ("a/new", "created"), ("a/conf", "replaced"), kept=kept)
    (root / "a").mkdir()
    for name in ("new", "conf", kept):
        (root / "a" / name).write_text(name)
    assert typed("--forget")[0] == 0 and tree(root) == ["a", "a/conf", "a/new"]
    assert (root / "a/conf").read_text() == "conf"
