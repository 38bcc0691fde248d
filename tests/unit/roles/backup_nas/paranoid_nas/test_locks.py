# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps whom from what, and that nothing which was started outlives an ended run."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
from paranoid_nas.asking import ask, end, end_all, failure, start
from paranoid_nas.locks import SNAPSHOTS, BusyError, Work, alone, for_copy, giving_way, on_disk, taking_away
from paranoid_nas.storage import NasError, going_on

DISK, AWAY = on_disk("usb"), taking_away("usb")


@pytest.mark.parametrize(
    ("held", "wanted", "is_free"),
    [
        (SNAPSHOTS, SNAPSHOTS, False),
        (SNAPSHOTS, for_copy("usb/copy"), True),
        (for_copy("usb/copy"), for_copy("usb/copy"), False),
        (for_copy("usb/copy"), for_copy("usb/copy2"), True),
        (for_copy("usb/copy"), DISK, True),
        (DISK, DISK, True),
        (DISK, AWAY, False),
        (AWAY, DISK, False),
        (AWAY, on_disk("usb2"), True),
    ],
)
def test_who_waits_for_whom(tmp_path: Path, held: Work, wanted: Work, is_free: bool) -> None:
    path, done = str(tmp_path / "nas.json"), []
    with alone(path, held), giving_way(), alone(path, wanted):
        done.append(1)
    assert bool(done) is is_free
    with alone(path, wanted):
        pass


def test_a_lock_is_waited_for_as_long_as_is_said(tmp_path: Path) -> None:
    path, begun = str(tmp_path / "nas.json"), threading.Event()

    def wait() -> None:
        begun.set()
        with alone(path, SNAPSHOTS, 60):
            pass

    waiting = threading.Thread(target=wait)
    with alone(path, SNAPSHOTS):
        with (
            pytest.raises(BusyError, match=r"^another run is at work on snapshots: let it finish$"),
            alone(path, SNAPSHOTS),
        ):
            pass
        waiting.start()
        assert begun.wait(60)
    waiting.join(60)
    assert not waiting.is_alive()


def test_what_cannot_be_locked_is_told_and_nobody_gives_way_to_it(tmp_path: Path) -> None:
    wrong: list[str] = []
    with going_on(wrong), giving_way(), alone(str(tmp_path / "none/nas.json"), SNAPSHOTS):
        wrong.append("it was locked")
    assert wrong == [f"{tmp_path}/none/nas.json.take.lock: No such file or directory"]
    with pytest.raises(NasError, match="a pool hangs"), giving_way():
        raise NasError("a pool hangs")


def test_how_a_command_ended_is_waited_for_when_it_has_said_all() -> None:
    assert ask(["sh", "-c", "echo hi; exec >&- 2>&-; sleep 0.1; exit 3"]) == (3, b"hi\n", b"")


def test_what_a_command_said_is_one_line_that_no_terminal_obeys() -> None:
    argv = ["zfs", "destroy", "tank/web1"]
    assert str(failure(argv, b" \n")) == "zfs destroy tank/web1: it failed and said nothing"
    assert str(failure(argv, b"no\n\x1b[2J such\n")) == "zfs destroy tank/web1: no ?[2J such"


def test_what_was_started_ends_with_its_children() -> None:
    two = [start(["sh", "-c", "sleep 60 & echo up; wait"]) for _number in range(2)]
    for one in two:
        assert one.stdout and one.stdout.readline() == b"up\n"
    end(two[0])
    end_all()
    end_all()
    for one in two:
        assert one.wait(60) == -9 and one.stdout and one.stdout.read() == b"", "its child holds no output open"
        for stream in (one.stdout, one.stderr):
            assert stream is not None
            stream.close()
    assert isinstance(two[0], subprocess.Popen)
