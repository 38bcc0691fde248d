# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one honest client: sessions of every kind in an order drawn from a seed, each followed by the audit.

Run: ``python honest.py DIRECTORY SEED SESSIONS``. Prints one JSON line per session. Borg and gates are real processes,
but forks of this one: most of a short session would be importing Borg twice, deriving a key and waiting for the disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit, rebase
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import add_compaction
from ansible_collections.paranoid.backup.plugins.module_utils._audit.ownership import Ownership
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Expectation
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict, Budget
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import Index, newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import trim_budget
from ansible_collections.paranoid.backup.plugins.module_utils._session.gates import as_file
from borg import platform, remote
from borg.archiver import main as borg_main
from borg.crypto import key
from paranoid_gate import calls, connection  # noqa: F401  # so that not every gate imports them
from paranoid_gate.main import main as gate_main
from real import Borg, gate_options

_SUBREAPER = 36  # prctl: gates that outlive their client become children of this process
_OFTEN = ("--checkpoint-interval", "1", "--chunker-params", "fixed,16384")  # slow input has checkpoints, too
_NO_LIMITS: Any = SimpleNamespace(trim_max_objects=None, trim_max_bytes=None)
_READS = (
    ("list",),
    ("list", "--json"),
    ("info",),
    ("info", "--last", "1"),
    ("extract", "--dry-run", "::{}"),
    ("list", "::{}"),
    ("key", "export", "::", "/dev/null"),
    ("check",),
)
_COMPRESSIONS = ("lz4", "zstd,3", "auto,zlib,6", "lzma,6", "none")
_REFUSED = (
    ("prune", "--keep-last", "1"),
    ("delete", "::{}"),
    ("compact",),
    ("rename", "::{}", "other"),
    ("recreate", "-C", "{compression}", "--comment", "x", "::{}"),
    ("key", "change-passphrase"),
)


class ForkedGate:
    """What Borg's client takes for the ssh that it started: a fork of its own process that is the gate now."""

    def __init__(self, options: list[str]) -> None:
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            _become_gate(theirs.fileno(), writing, options, (ours.fileno(), reading))
        theirs.close()
        os.close(writing)
        self.stdin = ours.makefile("wb", buffering=0)
        self.stdout = ours.makefile("rb", buffering=0)
        self.stderr = os.fdopen(reading, "rb", buffering=0)
        ours.close()

    def wait(self) -> None:
        """Wait for the gate's end."""
        os.waitpid(self._pid, 0)


def _become_gate(standard: int, errors: int, options: list[str], of_client: tuple[int, ...]) -> NoReturn:
    try:
        for ours, name in ((standard, 0), (standard, 1), (errors, 2)):
            os.dup2(ours, name)
        for descriptor in (standard, errors, *of_client):
            os.close(descriptor)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os._exit(gate_main([*options, "--report-fd", str(os.open("report", os.O_WRONLY | os.O_CREAT | os.O_APPEND))]))
    finally:
        os._exit(99)


class Client:
    """Starts Borg on the client, ends it or its gate at some moment, and feeds it slowly."""

    def __init__(self, directory: Path, bits: random.Random) -> None:
        self.borg = Borg.make(directory)
        self._bits = bits

    def run(
        self,
        policy: str,
        *arguments: str,
        gate: tuple[str, ...] = (),
        feed: int = 0,
        kill: str = "",
        within: float = 2.2,
        twist: Callable[[], None] | None = None,
        **env: str,
    ) -> int:
        """Run Borg to its end, or till ``kill`` (client, gate) at a random moment; return its exit code.

        ``feed`` sends so many blocks of random bytes to its stdin, 20 in a second. ``within`` so many seconds it is
        killed. ``twist`` changes something in its process.
        """
        reading, writing = os.pipe()
        environment = {**self.borg.environment(policy, *gate), **env}
        options = gate_options(policy, self.borg.repository, *gate)
        pid = self._fork(reading, writing, environment, arguments, options, twist)
        os.close(reading)
        feeder = _feed(writing, feed)
        os.close(writing)
        if kill:
            time.sleep(self._bits.uniform(0.02, within))
            _kill(pid if kill == "client" else _gate_of(pid), self._bits.choice((signal.SIGKILL, signal.SIGTERM)))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        _kill(feeder, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:  # The audit comes when no gate is left.
                os.waitpid(-1, 0)
        return code

    def forget(self, *more: str) -> None:
        """Lose Borg's cache, and what else a glob below its home finds."""
        shutil.rmtree(self.borg.home / ".cache", ignore_errors=True)
        for pattern in more:
            for path in self.borg.home.glob(pattern):
                path.unlink()

    def said(self) -> str:
        """Return what Borg said last."""
        return (self.borg.home / "said").read_text(errors="replace")[-600:]

    def _fork(
        self,
        reading: int,
        writing: int,
        env: dict[str, str],
        arguments: tuple[str, ...],
        gate: list[str],
        twist: Callable[[], None] | None,
    ) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            os.environ.clear()
            os.environ.update(env)
            os.chdir(self.borg.home)
            said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for ours, standard in ((reading, 0), (said, 1), (said, 2)):
                os.dup2(ours, standard)
            for descriptor in (reading, writing, said):
                os.close(descriptor)
            remote.Popen = lambda *_, **__: ForkedGate(gate)
            if twist is not None:
                twist()
            sys.argv = ["borg", *arguments]
            borg_main()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        finally:
            os._exit(99)


def _feed(writing: int, blocks: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    with contextlib.suppress(BrokenPipeError):
        for _ in range(blocks):
            os.write(writing, os.urandom(20_000))
            time.sleep(0.05)
    os._exit(0)


def _gate_of(pid: int) -> int:
    """Return the gate's process, 0 when there is none any more or not yet."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().partition(" ")[0] or 0)
    return 0


def _kill(pid: int, number: int) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Life:
    """A client, its repository, the archives that it should have, and the audit's last baseline."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.bits = random.Random(seed)
        self.client = Client(directory, self.bits)
        self.repository = str(self.client.borg.repository)
        self.tree = self.client.borg.home / "tree"
        self.tree.mkdir()
        (self.client.borg.home / "empty").mkdir()
        self.archives: list[str] = []
        self.made = 0
        self.policy, self.budget = "create", Budget()
        self.compression = self.bits.choice(_COMPRESSIONS)
        self.baseline: Baseline | None = None
        self.came: dict[str, int] = {}  # archive: the transaction of the session that brought it
        self.owners = Ownership(())
        self.kept = Kept()

    def begin(self) -> None:
        """Make the repository and the first baseline, as provisioning does."""
        mode = self.bits.choice(("repokey", "repokey-blake2", "keyfile-blake2", "authenticated"))
        assert self.client.run("create", "init", "-e", mode) == 0, self.client.said()
        verdict, self.baseline = audit(self.repository, None, "create")
        assert verdict.verdict == "clean", verdict.findings

    def session(self, kind: str, work: Callable[[Life], list[int]] | None = None) -> tuple[AuditVerdict, list[int]]:
        """Hold one session of this kind; return the audit's verdict and the exit codes of its commands."""
        self.policy, self.budget = "append", Budget()
        assert self.baseline is not None
        before = self.baseline.transaction
        with newest_index(self.repository) as index:
            codes = (work or KINDS[kind])(self)
            verdict = self._audit(kind, index)
        now = self.baseline.transaction
        notes = self.owners.compactions
        if now > before:
            self.owners = Ownership((*self.owners.transactions, now), notes)
        self.came |= {name: now for name in self.archives if name not in self.came}
        return verdict, codes

    def _audit(self, kind: str, index: Index | None) -> AuditVerdict:
        """Audit as the engine does; ``index`` is the one from before the session."""
        assert self.baseline is not None
        if kind == "compaction":
            before = self.baseline.transaction
            verdict, self.baseline = rebase(self.repository, self.baseline)
            notes = add_compaction(self.owners, self.repository, index, before, self.baseline.transaction)
            self.owners = Ownership(self.owners.transactions, notes)
            return verdict
        is_trim = self.policy == "trim"
        expected = Expectation(self.kept.archives if is_trim else ())
        before_trim = index if is_trim else None
        verdict, after = audit(
            self.repository, self.baseline, self.policy, self.budget, self.compression, expected, self.kept, before_trim
        )
        assert after is not None
        self.baseline = Baseline.from_dict(json.loads(json.dumps(after.to_dict())))
        return verdict

    def ids(self) -> dict[str, str]:
        """Return the ids of all archives by their names."""
        assert self.client.run("read", "list", "--consider-checkpoints", "--format", "{name} {id}{NL}") == 0
        lines = (self.client.borg.home / "said").read_text().splitlines()
        return dict(line.split() for line in lines if line.startswith("host-"))  # Borg may say more

    def change_files(self) -> None:
        """Change, add, remove and rename a few files."""
        for path in self.tree.iterdir():
            draw = self.bits.random()
            if draw < 0.1:
                path.unlink()
            elif draw < 0.3:
                path.write_bytes(self.bits.randbytes(self.bits.randrange(30_000)))
            elif draw < 0.35:
                path.rename(path.with_name(f"renamed-{self.bits.random()}"))
        for _ in range(self.bits.randrange(12)):
            (self.tree / str(self.bits.random())).write_bytes(self.bits.randbytes(self.bits.randrange(60_000)))

    def create(self, *what: str, options: tuple[str, ...] = (), **how: Any) -> int:
        """Make one archive, and remember it when it came to be."""
        self.made += 1
        name = f"host-{self.made:04}"
        command = ("create", "-C", self.compression, *options, f"::{name}", *what)
        code = self.client.run(self.policy, *command, **how)
        if code == 0:
            self.archives.append(name)
        return code

    def any_archive(self) -> str:
        """Return the name of some archive, the newest when there is none yet."""
        return self.bits.choice(self.archives) if self.archives else "none"


def backup(life: Life) -> list[int]:
    life.change_files()
    return [life.create("tree")]


def unchanged_or_empty(life: Life) -> list[int]:
    return [life.create(life.bits.choice(("tree", "empty")))]


def big_and_small_files(life: Life) -> list[int]:
    (life.tree / "big").write_bytes(life.bits.randbytes(5_000_000))
    for number in range(150):
        (life.tree / f"small{number}").write_bytes(life.bits.randbytes(20))
    code = life.create("tree")
    shutil.rmtree(life.tree)
    life.tree.mkdir()
    return [code]


def checkpoints(life: Life) -> list[int]:
    return [life.create("tree", "-", options=_OFTEN, feed=life.bits.randrange(30, 55))]


def killed(whom: str) -> Callable[[Life], list[int]]:
    def run(life: Life) -> list[int]:
        life.change_files()
        return [life.create("tree", "-", options=_OFTEN, feed=40, kill=whom)]

    return run


def several(life: Life) -> list[int]:
    return [code for _ in range(3) for code in backup(life)]


def read(life: Life) -> list[int]:
    life.policy = life.bits.choice(("read", "append"))
    return [life.client.run(life.policy, *(word.format(life.any_archive()) for word in life.bits.choice(_READS)))]


def borgmatic(life: Life) -> list[int]:
    return [
        life.client.run("append", "list", "--last", "1", "--json"),
        *backup(life),
        life.client.run("append", "check", "--repository-only", "--max-duration", "5"),
        life.client.run("append", "check", "--archives-only", "--last", "1"),
    ]


def refused(life: Life) -> list[int]:
    archive = life.any_archive()
    command = [word.format(archive, compression=life.compression) for word in life.bits.choice(_REFUSED)]
    return [life.client.run("append", *command)]


def other_compression(life: Life) -> list[int]:
    life.compression = life.bits.choice([name for name in _COMPRESSIONS if name != life.compression])
    return backup(life)


def lost_cache(life: Life) -> list[int]:
    life.client.forget()
    return backup(life)


def renamed_host(life: Life) -> list[int]:
    life.change_files()
    return [life.create("tree", options=("--comment", "moved"), BORG_HOSTNAME=f"host{life.bits.random()}")]


def maintain(life: Life) -> list[int]:
    if len(life.archives) < 2:
        return backup(life)
    count = life.bits.randrange(1, len(life.archives))
    return trim(life, life.archives[:count] if life.bits.random() < 0.5 else life.bits.sample(life.archives, count))


def trim(life: Life, named: list[str], **how: Any) -> list[int]:
    """Delete these archives as a maintenance does, and check; what came in one session goes together."""
    assert life.baseline is not None
    sessions = {life.came[name] for name in named if name in life.came}
    named = [name for name in life.archives if life.came[name] in sessions] + [n for n in named if n not in life.came]
    life.archives = [name for name in life.archives if name not in named]
    life.policy = "trim"
    life.budget = trim_budget(_NO_LIMITS, life.baseline, (), len(named), len(named) + len(life.archives))
    ids = life.ids()
    staying = {life.came[name] for name in life.archives}
    life.kept = Kept(tuple(ids[name] for name in life.archives), life.owners.intervals(staying))
    limits = [f"--max-{name}={getattr(life.budget, name)}" for name in ("objects", "bytes", "archives")]
    with as_file(life.kept.to_json()) as kept:  # the gate is a fork, which inherits it
        gate = (*limits, f"--kept-fd={kept}")
        code = life.client.run("trim", "delete", "--", "::", *named, gate=gate, **how)
    if "kill" in how:
        life.archives += [name for name in named if name in life.ids() and name in life.came]
        life.archives.sort()
    check = life.client.run("trim", "check", "--repository-only", "--max-duration", "5")
    return [code, check]


def compaction(life: Life) -> list[int]:
    """The server's own, without a key."""
    threshold = life.bits.choice(("0", "10"))
    return [life.client.run("append", "compact", "--threshold", threshold, BORG_REPO=life.repository)]


KINDS: dict[str, Callable[[Life], list[int]]] = {
    "backup": backup,
    "unchanged or empty": unchanged_or_empty,
    "big and small files": big_and_small_files,
    "checkpoints": checkpoints,
    "killed client": killed("client"),
    "killed gate": killed("gate"),
    "several": several,
    "read": read,
    "borgmatic": borgmatic,
    "refused": refused,
    "other compression": other_compression,
    "lost cache": lost_cache,
    "renamed host": renamed_host,
    "maintain": maintain,
    "compaction": compaction,
}
_WEIGHTS = {"backup": 6, "read": 5, "killed client": 4, "killed gate": 4, "unchanged or empty": 3, "maintain": 2}


def begin_life(directory: Path, seed: int) -> Life:
    """Begin a life in this process, which then has nothing to wait for but Borg."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    key.PBKDF2_ITERATIONS = 1  # nobody guesses this passphrase
    os.fsync = platform.fdatasync = lambda _descriptor: None  # nor cuts the power
    life = Life(directory, seed)
    life.begin()
    return life


def live(life: Life, kind: str, work: Callable[[Life], list[int]] | None = None) -> None:
    """Hold one session, and print what came of it."""
    before = time.monotonic()
    verdict, codes = life.session(kind, work)
    told: dict[str, Any] = {"kind": kind, "verdict": verdict.verdict, "findings": verdict.findings, "codes": codes}
    told |= {
        "manifests": verdict.changes.manifests,
        "commits": verdict.changes.commits,
        "gone": verdict.changes.gone,
        "said": life.client.said() if any(codes) else "",
    }
    print(json.dumps({**told, "seconds": round(time.monotonic() - before, 2)}), flush=True)


def main() -> None:
    """Live; what is left at the end must be whole."""
    life = begin_life(Path(sys.argv[1]), int(sys.argv[2]))
    sessions = int(sys.argv[3])
    drawn = [kind for kind in KINDS for _ in range(_WEIGHTS.get(kind, 1))]
    kinds = [drawn[number % len(drawn)] for number in range(sessions)]
    life.bits.shuffle(kinds)
    for kind in kinds:
        live(life, kind)
    found = life.client.borg.local("list", "--short").stdout.split()
    checked = life.client.borg.local("check", "--verify-data").returncode
    left = {
        "archives": set(life.archives) <= set(found),
        "check": checked,
        "findings": full_audit(life.repository).findings,
    }
    print(json.dumps({"kind": "end", **left}), flush=True)


if __name__ == "__main__":
    main()
