# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real sessions on loopback: each test gets a client with an sshd of its own and a repository that was just made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session import conversation as _conversation
from session_world import CLIENT, IS_ROOT, Sshd, World, make_home, make_key, run
from waiting import wait_until

GRACE = 1.0  # seconds that a deaf client costs each test, instead of the engine's 15


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A directory that every user may pass; pytest's own is closed to the repository's user."""
    path = Path(tempfile.mkdtemp(prefix="pb-"))
    path.chmod(0o755)
    if IS_ROOT:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd(8) wants it, and only its package's unit makes it.
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def home(ground: Path) -> Path:
    path = ground / "home"
    path.mkdir()
    make_home(path)
    return path


@contextmanager
def served(path: Path, home: Path) -> Iterator[World]:
    """A world whose client's sshd runs; in the end nothing of it may be left."""
    sshd = Sshd(path / "sshd")
    sshd.start()
    world = World(path, home, sshd)
    try:
        yield world
        assert wait_until(lambda: not world.leftovers()), world.leftovers()
    finally:
        sshd.stop()
        world.kill_clients()


def make_place(path: Path) -> None:
    """Make the directory of a world, and its host key."""
    path.chmod(0o755)
    (path / "sshd").mkdir()
    make_key(path / "sshd/host_key")


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for clients that are deaf."""
    monkeypatch.setattr(_conversation, "_GRACE", GRACE)


@pytest.fixture
def bare(ground: Path, home: Path, short_grace: None) -> Iterator[World]:
    """A client that is provisioned, but for its repository."""
    path = Path(tempfile.mkdtemp(prefix="w", dir=ground))
    make_place(path)
    with served(path, home) as world:
        world.build()
        yield world


@pytest.fixture(scope="session")
def template(ground: Path, home: Path) -> Path:
    """A client whose repository a real session made, to be copied."""
    path = ground / "template"
    path.mkdir()
    make_place(path)
    with served(path, home) as world:
        world.build()
        outcome = world.session("create")
    assert outcome.conclusion.status == "ok", (outcome.conclusion, outcome.log_tail)
    return path


@pytest.fixture
def world(bare: World, template: Path) -> World:
    """A client with an empty repository."""
    bare.repository.rmdir()
    for name in (f"srv/{CLIENT}/repo", "state", "client/borg"):
        run("cp", "-a", template / name, bare.path / name)
    return bare
