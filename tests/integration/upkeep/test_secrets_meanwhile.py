# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While sessions, a restore and the proof of an escrow are at work, no process shows a secret in what it was given.

What is printed and kept afterwards is searched as well; `lab/provisioning/test_provision.py` searches the hosts.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from pathlib import Path

import pytest
from escrow_world import ciphertexts, decrypt, entrust, make_identity
from keeper import BIN, Keeper
from restore_world import Restoring
from session_world import OK, World, came_to
from waiting import wait_until

LOOK_SECONDS = 0.01
SECRET = os.urandom(20).hex()


class Watching:
    """Looks at all processes again and again; ``found`` has kind and program of what shows a secret."""

    def __init__(self, *secrets: bytes) -> None:
        self._secrets = secrets
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.found: set[tuple[str, str]] = set()
        self.programs: set[str] = set()

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for process in Path("/proc").glob("[0-9]*"):
                self._look(process)

    def _look(self, process: Path) -> None:
        for kind in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                text = (process / kind).read_bytes()
                name = (process / "comm").read_text().strip()
                self.programs.add(name)
                if any(secret in text for secret in self._secrets):
                    self.found.add((kind, name))


@pytest.fixture
def keeper(bare: World) -> Keeper:
    """A client with a passphrase of its own: others' tests may be at work on this machine, too."""
    made = Keeper(bare)
    made.provision()
    (bare.own / "passphrase").write_text(SECRET)
    (bare.own / "borg").mkdir(exist_ok=True)
    outcome = bare.session("create")
    assert came_to(outcome) == OK, outcome.log_tail
    return made


@pytest.mark.parametrize("kind", ["cmdline", "environ"])
def test_a_secret_would_be_seen(kind: str) -> None:
    secret = f"seen in {kind} of a process"
    argv, environment = (["sh", "-c", "cat # " + secret], {}) if kind == "cmdline" else (["cat"], {"X": secret})
    with (
        Watching(secret.encode()) as watch,
        subprocess.Popen(argv, env={"PATH": os.environ["PATH"], **environment}, stdin=subprocess.PIPE) as process,
    ):
        assert wait_until(lambda: bool(watch.found), 60)
        assert process.stdin
        process.stdin.close()
    assert {found for found, _name in watch.found} == {kind}


def test_no_process_shows_a_secret_meanwhile(keeper: Keeper, tmp_path: Path) -> None:
    identity, recipient = make_identity(tmp_path / "ana")
    entrust(keeper, ("ana", recipient))
    own_line = next(line for line in identity.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-"))
    said = []
    with Watching(SECRET.encode(), own_line.encode()) as watch:
        for verb in ("backup", "escrow", "info"):
            outcome = keeper.world.session(verb)
            assert came_to(outcome) == OK, outcome.log_tail
            said.append(str(outcome.to_dict()))
        with Restoring(keeper, tmp_path, ("", "")).tunnel() as restoring:
            (tmp_path / "to").mkdir()
            done = restoring.run("--to", tmp_path / "to", restoring.path())
            assert done.returncode == 0, done.stderr
            said += [done.stdout, done.stderr]
        proved = keeper.play(
            "escrow", "--tags", "prove", "--limit", "web1", "-vvv", "--diff",
            backup_escrow_dir=str(tmp_path / "kept"), backup_borg=str(BIN / "borg"), backup_identity=str(identity),
        )  # fmt: skip
        collected = keeper.play("escrow", "-vvv", "--diff", backup_escrow_dir=str(tmp_path / "kept"))
        said += [proved.stdout, proved.stderr, collected.stdout, collected.stderr]
    assert watch.found == set()
    assert "borg" in watch.programs, "it saw who works with secrets"
    opened = decrypt(ciphertexts(keeper)[-1], identity)
    assert opened
    secrets = (SECRET, own_line, opened["key"].splitlines()[1])
    assert not [secret for secret in secrets for text in said if secret in text]
    left = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert left and not [path for path in left if any(secret.encode() in path.read_bytes() for secret in secrets)]
