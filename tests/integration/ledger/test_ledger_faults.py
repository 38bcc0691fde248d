# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger under load and under faults: many processes, kills, copies, a full disk, a broken file."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.copying import extend_copy
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry, LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.recovery import recover_ledger
from waiting import wait_until

FORK = multiprocessing.get_context("fork")
Process = multiprocessing.context.ForkProcess


def write(path: str, client: str, count: int, told: str) -> None:
    """Append as sessions do, one opening for each entry, and tell every head that was returned."""
    report = os.open(told, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    for number in range(count):
        with Ledger.open(path) as ledger:
            head = ledger.append(FreezeEntry(client, f"entry {number} " + "x" * 300))
        os.write(report, f"{head}\n".encode())


def heads(told: Path) -> list[ChainHead]:
    return [parse_head(line) for line in told.read_text().splitlines()] if told.exists() else []


@contextmanager
def writers(path: str, told: Path, number: int, count: int) -> Iterator[list[Process]]:
    started = [FORK.Process(target=write, args=(path, f"web{n}", count, str(told))) for n in range(number)]
    for process in started:
        process.start()
    try:
        yield started
    finally:
        for process in started:
            process.join()


def expect_whole(path: str, told: list[ChainHead]) -> int:
    """Every head that was ever told is in the chain, and the chain is whole; return its length."""
    with Ledger.open(path) as ledger:
        report = ledger.verify()
        assert report.ok, report.problem
        by_seq = {record.seq: record.hash for record in ledger.entries(limit=1_000_000)}
    assert all(by_seq.get(head.seq) == head.hash for head in told)
    assert len({head.seq for head in told}) == len(told)
    return report.checked


def test_twenty_processes_append_fifty_entries_each(tmp_path: Path) -> None:
    path, told = str(tmp_path / "ledger.sqlite"), tmp_path / "told"
    with writers(path, told, 20, 50) as started:
        pass
    assert [process.exitcode for process in started] == [0] * 20
    assert expect_whole(path, heads(told)) == len(heads(told)) == 1000
    with Ledger.read(path) as ledger:
        assert [len(ledger.entries(client=f"web{n}")) for n in range(20)] == [50] * 20


def test_an_append_that_returned_survives_a_power_cut(tmp_path: Path) -> None:
    """What lies under the ledger is asked to sync the entry, and the directory once the journal is out of it."""
    path = str(tmp_path / "ledger.sqlite")
    with Ledger.open(path) as ledger:
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (3,), "EXTRA"
        ledger.append(FreezeEntry("web1", "first"))
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: only the setting was looked at")
    trace = tmp_path / "trace"
    calls = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync,unlink,unlinkat"]
    program = "import sys; from {0} import Ledger; from {1} import FreezeEntry; Ledger.open(sys.argv[1]).append({2})"
    code = program.format(Ledger.__module__, FreezeEntry.__module__, "FreezeEntry('web1', 'more')")
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([*calls, sys.executable, "-c", code, path], check=True, env=paths)
    lines = trace.read_text().splitlines()
    (removed,) = (place for place, line in enumerate(lines) if "unlink" in line and "-journal" in line)
    assert any("sync(" in line and f"<{path}>" in line for line in lines[:removed]), (
        "the entry, before its journal goes"
    )
    assert any("sync(" in line and f"<{tmp_path}>" in line for line in lines[removed:]), "the directory, after it went"


def grown(file: Path, size: int) -> bool:
    return file.stat().st_size > size


def test_killed_in_the_middle_many_times(tmp_path: Path) -> None:
    path, told = str(tmp_path / "ledger.sqlite"), tmp_path / "told"
    chance = random.Random(7)
    hot = 0
    told.touch()
    for _round in range(60):
        before = told.stat().st_size
        with writers(path, told, 3, 10_000) as started:
            assert wait_until(partial(grown, told, before))
            time.sleep(chance.uniform(0, 0.03))
            for process in started:
                process.kill()
        hot += os.path.exists(f"{path}-journal")
    assert hot > 0, "no kill ever hit a transaction: the test shows nothing"
    assert expect_whole(path, heads(told)) >= len(heads(told)) >= 60


def test_a_snapshot_of_all_files_at_one_moment_opens_with_all_that_was_told(tmp_path: Path) -> None:
    """The processes stand still while the copy is made, as they do for a snapshot of the file system."""
    path, told = str(tmp_path / "state" / "ledger.sqlite"), tmp_path / "told"
    os.mkdir(tmp_path / "state")
    hot = 0
    with writers(path, told, 4, 10_000) as started:
        for number in range(40):
            time.sleep(0.02)
            stop(started)
            snapshot = tmp_path / f"snapshot{number}"
            known = heads(told)
            shutil.copytree(tmp_path / "state", snapshot)
            resume(started)
            hot += (snapshot / "ledger.sqlite-journal").exists()
            expect_whole(str(snapshot / "ledger.sqlite"), known)
        for process in started:
            process.kill()
    assert hot > 0, "no snapshot ever hit a transaction: the test shows nothing"


def stop(started: list[Process]) -> None:
    for process in started:
        os.kill(process.pid or 0, signal.SIGSTOP)
    for process in started:
        while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.001)


def resume(started: list[Process]) -> None:
    for process in started:
        os.kill(process.pid or 0, signal.SIGCONT)


def test_copies_while_writers_run(tmp_path: Path) -> None:
    """SQLite's backup is whole at any moment; a plain cp opens, and what it caught is at least a true beginning."""
    path, told = str(tmp_path / "ledger.sqlite"), tmp_path / "told"
    with Ledger.open(path) as ledger:
        ledger.append(FreezeEntry("web0", "first"))
    with writers(path, told, 4, 10_000) as started:
        for number in range(12):
            before = heads(told)
            plain, whole, copied = (str(tmp_path / f"{name}{number}") for name in ("plain", "whole", "copied"))
            subprocess.run(["cp", path, plain], check=True)
            recovered = recover_ledger(plain, whole)
            with Ledger.read(whole) as copy, Ledger.read(path) as source:
                assert copy.verify().ok
                assert source.verify(recovered, full=False).ok
            with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(copied)) as backup:
                live.backup(backup)
            expect_whole(copied, before)
        for process in started:
            process.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Two megabytes of file system."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system of two megabytes")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_line_and_passes(small_disk: Path) -> None:
    path, filler = str(small_disk / "ledger.sqlite"), small_disk / "filler"
    told: list[ChainHead] = []
    with Ledger.open(path) as ledger:
        told.append(ledger.append(FreezeEntry("web1", "first")))
        filler.write_bytes(b"x" * 1_500_000)
        with pytest.raises(LedgerError, match="no space left") as caught:
            append_without_end(ledger, told)
        assert "\n" not in str(caught.value)
        assert ledger.head() == told[-1]
        with pytest.raises(OSError, match="No space"):
            fill(filler)
        with pytest.raises(LedgerError, match="no space left"):
            Ledger.open(str(small_disk / "new.sqlite"))
    with Ledger.read(path) as reader:
        assert reader.verify(told[-1]).ok
    filler.unlink()
    with Ledger.open(path) as ledger:
        told.append(ledger.append(FreezeEntry("web1", "again")))
    assert expect_whole(path, told) == len(told)
    Ledger.open(str(small_disk / "new.sqlite")).close()


def test_a_copy_on_a_full_disk_stays_whole_and_catches_up(small_disk: Path, tmp_path: Path) -> None:
    copy, filler = str(small_disk / "copy.sqlite"), small_disk / "filler"
    with Ledger.open(str(tmp_path / "ledger.sqlite")) as ledger:
        ledger.append(FreezeEntry("web1", "first"))
        assert extend_copy(ledger, copy) == ""
        first = ledger.head()
        for _number in range(400):
            ledger.append(FreezeEntry("web1", "x" * 490))
        filler.write_bytes(b"x" * 1_800_000)
        with pytest.raises(LedgerError, match="no space left"):
            extend_copy(ledger, copy)
        assert expect_whole(copy, [first]) == 1
        filler.unlink()
        assert extend_copy(ledger, copy) == ""
        assert expect_whole(copy, [first, ledger.head()]) == 401


def append_without_end(ledger: Ledger, told: list[ChainHead]) -> None:
    while True:
        told.append(ledger.append(FreezeEntry("web1", "x" * 490)))


def fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as more:
        while True:
            more.write(b"x" * 4096)


def overwritten(content: bytes, start: int, size: int) -> bytes:
    return content[:start] + b"\xa5" * size + content[start + size :]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"not a database, " * 1000, id="other"),
        pytest.param(lambda content: overwritten(content, 0, 100), id="header"),
        pytest.param(lambda content: overwritten(content, 100, 3000), id="schema"),
        pytest.param(lambda content: overwritten(content, 4096, 4096), id="root"),
        pytest.param(lambda content: content[:5000], id="cut"),
        pytest.param(lambda content: overwritten(content, 40960, 40960), id="middle"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(str(path)) as ledger:
        for number in range(500):
            ledger.append(FreezeEntry("web1", f"entry {number}" + "x" * 300))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(LedgerError, match=r"damaged|another release|altered") as caught:
        expect_no_damage(str(path))
    assert "\n" not in str(caught.value)


def expect_no_damage(path: str) -> None:
    with Ledger.open(path) as ledger:
        report = ledger.verify()
    if not report.ok:
        raise LedgerError(report.problem)


@pytest.mark.parametrize("name", ["absent.sqlite", "absent/ledger.sqlite"])
def test_no_ledger_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(LedgerError, match="there is none yet"):
        Ledger.read(str(tmp_path / name))


def test_places_that_cannot_hold_a_ledger(tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "absent" / "ledger.sqlite"), str(tmp_path / "nul\0")):
        with pytest.raises(LedgerError) as caught:
            Ledger.open(path)
        assert "\n" not in str(caught.value)


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.read(str(path))
    with Ledger.open(str(path)) as ledger:
        assert ledger.head() == EMPTY


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (a)")
    content = path.read_bytes()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(str(path))
    assert path.read_bytes() == content
