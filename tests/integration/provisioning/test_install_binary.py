# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A standalone Borg is installed whole or not at all; what is wrong is told in a line, and the old one stays."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from standalone import GOOD, archive
from tool import ROOT

SCRIPT = ROOT / "roles/backup_borg/files/install_binary.py"
WANTED = ("borgbackup==1.4.5", "borgmatic==2.1.10", "ruamel_yaml_clib==0.2.15")


def install(file: Path, target: Path, *wanted: str, sha256: str = "") -> tuple[int, str]:
    digest = sha256 or hashlib.sha256(file.read_bytes()).hexdigest()
    argv: list[str | Path] = [sys.executable, "-I", "-", file, digest, target, *(wanted or WANTED)]
    done = subprocess.run(argv, input=SCRIPT.read_text(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A directory with an older one, which works."""
    old = tmp_path / "opt/paranoid-backup"
    (old / "bin").mkdir(parents=True)
    (old / "bin/borg").write_text("old")
    return old


def test_the_new_one_takes_the_place_of_the_old_one(tmp_path: Path, target: Path) -> None:
    file = archive(tmp_path / "new.tar.gz", GOOD, 0o6777)
    assert install(file, target) == (0, "")
    assert (target / "lib/loader").read_text() == "new" and target.stat().st_mode & 0o7777 == 0o755
    assert (target / "standalone").read_text().strip() == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (target / "bin/borg").stat().st_mode & 0o7777 == 0o755 and (target / "bin/borg").stat().st_uid != 12345
    assert [path.name for path in target.parent.iterdir()] == ["paranoid-backup"]
    shutil.rmtree(target)
    assert install(file, target) == (0, "") and (target / "bin/borg").exists()


GLIBC = '#!/bin/sh\necho more >&2\necho "/lib/libc.so.6: version \\`GLIBC_2.99\' not found" >&2\nexit 1\n'


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {**GOOD, "bin/borg": GLIBC},
            "its borg does not start on this host: /lib/libc.so.6: version `GLIBC_2.99' not found",
        ),
        ({**GOOD, "bin/borg": "\x7fELF of another machine"}, "its borg does not start on this host: Exec format error"),
        ({**GOOD, "bin/borg": "#!/lib/no-loader\n"}, "its borg does not start on this host: No such file or directory"),
        ({**GOOD, "bin/borgmatic": "#!/bin/sh\nexit 7\n"}, "its borgmatic does not start on this host: exit code 7"),
        ({**GOOD, "bin/borgmatic": "#!/bin/sh\n"}, "it holds borgmatic unknown, and 2.1.10 is wanted"),
        ({**GOOD, "bin/borg": "#!/bin/sh\necho borg 1.2.8\n"}, "it holds borg 1.2.8, and 1.4.5 is wanted"),
        ({"bin/borg": GOOD["bin/borg"]}, "its borgmatic does not start on this host: No such file or directory"),
        ({**GOOD, "../escaped": "x"}, "it holds '../escaped', which does not belong into such an archive"),
        ({**GOOD, "/tmp/escaped": "x"}, "it holds '/tmp/escaped', which does not belong into such an archive"),
    ],
)
def test_one_that_does_not_work_here_is_told_in_a_line(
    tmp_path: Path, target: Path, files: dict[str, str], words: str
) -> None:
    code, said = install(archive(tmp_path / "new.tar.gz", files), target)
    assert (code, said) == (1, f"{words}\n")
    assert (target / "bin/borg").read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["paranoid-backup"]


@pytest.mark.parametrize("length", [0, 3, 40, -1])
def test_one_that_is_cut_off_is_refused(tmp_path: Path, target: Path, length: int) -> None:
    """By its hash and, where somebody pinned the hash of the rest, by its end."""
    file = archive(tmp_path / "new.tar.gz", GOOD)
    whole = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(file.read_bytes()[:length])
    code, said = install(file, target, sha256=whole)
    assert code == 1 and said.startswith("its SHA-256 is ") and said.endswith(": it is cut off or another one\n")
    code, said = install(file, target)
    assert code == 1 and said.startswith("it cannot be unpacked: ") and said.count("\n") == 1
    assert (target / "bin/borg").read_text() == "old" and len(list(target.parent.iterdir())) == 1


def test_a_program_becomes_borg_beside_what_is_there(tmp_path: Path, target: Path) -> None:
    """Python stands for it: it also ends its version's line with the version."""
    program = tmp_path / "borg-linux"
    shutil.copyfile(Path(sys.executable).resolve(), program)
    (target / "bin/borgmatic").write_text("stays")
    wanted = (f"borgbackup=={platform.python_version()}", "borgmatic==2.1.10")
    assert install(program, target, *wanted) == (0, "")
    assert (target / "bin/borg").read_bytes() == program.read_bytes() and (target / "standalone").exists()
    assert (target / "bin/borgmatic").read_text() == "stays"
    assert (target / "tmp").stat().st_mode & 0o7777 == 0o700, "where it unpacks itself, nobody else puts anything"


def test_what_is_installed_can_be_read_by_all_whatever_the_umask_is(tmp_path: Path, target: Path) -> None:
    shutil.rmtree(target)
    before = os.umask(0o077)
    try:
        assert install(archive(tmp_path / "new.tar.gz", GOOD), target) == (0, "")
    finally:
        os.umask(before)
    assert [path.name for path in target.rglob("*") if path.stat().st_mode & 0o004 == 0] == []


def test_a_program_that_does_not_start_leaves_the_old_one(tmp_path: Path, target: Path) -> None:
    (tmp_path / "borg").write_bytes(b"\x7fELF and no more")
    assert install(tmp_path / "borg", target) == (1, "its borg does not start on this host: Exec format error\n")
    assert [path.name for path in (target / "bin").iterdir()] == ["borg"] and (target / "bin/borg").read_text() == "old"
