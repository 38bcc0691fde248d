# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`borg mount` through a gate that only lets read."""

from __future__ import annotations

import filecmp
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from real import BORG, Borg

DEVICE = Path("/dev/fuse")
MODULES = Path("/usr/lib/python3/dist-packages")  # of Debian's python3-llfuse, whose Python the venv is made from


@pytest.fixture
def with_fuse(tmp_path: Path) -> dict[str, str]:
    """What Borg needs to find Debian's FUSE module, and nothing else of Debian's."""
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        pytest.skip(f"NOT TESTED: borg mount; {DEVICE} is not there, or not for this user")
    (module,) = MODULES.glob("llfuse.*.so")
    place = tmp_path / "modules"
    place.mkdir()
    (place / module.name).symlink_to(module)
    return {"PYTHONPATH": str(place), "BORG_FUSE_IMPL": "llfuse"}


@contextmanager
def mounted(borg: Borg, place: Path, environment: dict[str, str]) -> Iterator[None]:
    """Mount the whole repository on a new directory; Borg stays in the foreground, so that its words are seen."""
    place.mkdir()
    argv = [str(BORG), "mount", "--foreground", "::", str(place)]
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        until = time.monotonic() + 60
        while not os.path.ismount(place):
            assert running.poll() is None, running.stderr.read()
            assert time.monotonic() < until, "nothing was mounted in 60 s"
            time.sleep(0.02)
        try:
            yield
        finally:
            done = subprocess.run(["umount", place], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                running.kill()
        assert running.wait(60) == 0, running.stderr.read()
    assert not os.path.ismount(place)


def test_mount_lists_and_reads_through_the_gate(borg: Borg, tmp_path: Path, with_fuse: dict[str, str]) -> None:
    place = tmp_path / "mounted"
    stored = sorted(path.name for path in (borg.home / "tree").iterdir())
    with mounted(borg, place, borg.environment("read") | with_fuse):
        assert sorted(path.name for path in place.iterdir()) == ["one", "two"]
        names = sorted(path.name for path in (place / "two/tree").iterdir())
        assert names == stored and len(names) == 42
        assert filecmp.cmpfiles(place / "two/tree", borg.home / "tree", names, shallow=False)[0] == names
        with pytest.raises(OSError, match=r"Read-only|not permitted"):
            (place / "two/tree/new").write_bytes(b"")
    end = borg.report()[-1]
    assert (end["reason"], end["put"], end["delete"], end["commits"], end["refused"]) == (None, 0, 0, 0, 0)
    assert end["sent"] > 1_000_000, "the content came through the gate"
