# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that thinks: it holds the key, speaks Borg's RPC directly, and answers the server as an honest one does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keeper import Keeper
from keyholder import Keyholder
from tool import ROOT

_OBJECTS = """\
import json, sys
from borg.archive import Archive
from borg.helpers import Manifest, bin_to_hex
from borg.logger import setup_logging
from borg.repository import Repository

setup_logging()
with Repository(sys.argv[1], exclusive=True) as repository:
    manifest, key = Manifest.load(repository, Manifest.NO_OPERATION_CHECK)
    found = {}
    for info in manifest.archives.list():
        archive = Archive(repository, key, manifest, info.name)
        items = list(archive.iter_items(preload=False))
        found[bin_to_hex(info.id)] = {
            "metadata": [bin_to_hex(info.id), *(bin_to_hex(one) for one in archive.metadata.items)],
            "chunks": [bin_to_hex(chunk.id) for item in items for chunk in item.get("chunks", ())],
        }
    print(json.dumps(found))
"""

_MANIFEST = """\
import sys
from borg.logger import setup_logging
from borg.repository import Repository

setup_logging()
with Repository(sys.argv[1], exclusive=True) as repository:
    print(repository.get(bytes(32)).hex())
"""

_ATTACK = """\
import json, socket, sys
sys.path.insert(0, {support!r})
from hostile import Hostile

CALLS = json.loads({calls!r})

def _attack(tools):
    with socket.socket(socket.AF_UNIX) as tunnel:
        tunnel.connect(str(tools.socket))
        hostile = Hostile(tunnel.fileno(), tunnel.fileno())
        hostile.hello()
        for method, arguments in CALLS:
            hostile.call(method, **{{name: bytes.fromhex(value) for name, value in arguments.items()}})
        hostile.call("commit", compact=False)

def _lie(tools):
    if CALLS:
        _attack(tools)
    answer = json.loads({answer!r})
    if "maintain" in answer:
        answer["maintain"]["deleted"] = list(tools.request.delete)
    return answer

verbs.VERBS[{verb!r}] = _lie
"""

HONEST_TRIM = {"maintain": {"deleted": [], "missing": [], "unknown": [], "check": "ok"}}


@dataclass(frozen=True)
class Objects:
    """Ids (hex) of the objects of one archive: its own and its item metadata's, and the chunks of its files."""

    metadata: tuple[str, ...]
    chunks: tuple[str, ...]


def objects(keeper: Keeper) -> dict[str, Objects]:
    """Return every archive's objects by its id; the key's owner can know them."""
    argv = [sys.executable, "-c", _OBJECTS, str(keeper.repository)]
    done = subprocess.run(argv, env=keeper.borg_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    keeper.give_back()
    found = json.loads(done.stdout)
    return {one: Objects(tuple(ids["metadata"]), tuple(ids["chunks"])) for one, ids in found.items()}


def manifest(keeper: Keeper) -> str:
    """Return the stored list of archives (hex), encrypted as it is."""
    argv = [sys.executable, "-c", _MANIFEST, str(keeper.repository)]
    done = subprocess.run(argv, env=keeper.borg_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    keeper.give_back()
    return done.stdout.strip()


def think(
    host: Keeper | Keyholder, verb: str, calls: Sequence[tuple[str, Mapping[str, str]]], answer: Mapping[str, Any]
) -> None:
    """Have a host make these calls (arguments in hex) instead of ``verb``, commit, and answer so."""
    support = str(ROOT / "tests/support")
    host.serve(_ATTACK.format(support=support, calls=json.dumps(calls), answer=json.dumps(answer), verb=verb))


def deletions(ids: Mapping[str, Any] | list[str] | tuple[str, ...]) -> list[tuple[str, Mapping[str, str]]]:
    """Return the calls that delete these objects."""
    return [("delete", {"id": one}) for one in dict.fromkeys(ids)]
