# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The witness of a watch: the head of the ledger, signed on another machine with a key that is never here.

A watch signs four lines with ``ssh-keygen -Y sign -n paranoid-backup-witness`` (OpenSSH, PROTOCOL.sshsig): what they
are, the server's id, the head and when the watch saw it. What is kept lies beside the ledger and not in it: it proves
the whole past by itself, and an entry about the head would make another head.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write, save_json
from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import TooSlow, run_program
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ServerConfig
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

NAMESPACE = "paranoid-backup-witness"
TITLE = "paranoid.backup ledger head v1"
HANDED_LIMIT = 16 * 1024  # bytes of what a watch hands in
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}={0,2}", re.ASCII)
_SECONDS = 30
_FRESH, _SOON = timedelta(hours=12), timedelta(minutes=1)


class WitnessError(Exception):
    """A witness that is not kept; the message is one line."""


@dataclass(frozen=True)
class Watch:
    """A watch that the server knows: its name, and its public key of the form ``ssh-ed25519 AAAA…``."""

    name: str
    key: str


@dataclass(frozen=True)
class Witness:
    """The newest head that a watch signed. ``seen`` is the watch's clock, ``kept`` the server's; both ISO 8601."""

    name: str
    head: ChainHead
    seen: str
    kept: str


def list_watches(server: ServerConfig) -> list[Watch]:
    """Return the watches that the server was provisioned with, without what names none."""
    found = [Watch(str(one.get("name")), str(one.get("key"))) for one in server.watches]
    return [one for one in found if _NAME.fullmatch(one.name) and _KEY.fullmatch(one.key)]


def make_message(host_id: str, head: ChainHead, seen: str) -> str:
    """Return what a watch signs."""
    return f"{TITLE}\nserver {host_id}\nhead {head}\nseen {seen}\n"


def load_witness(server: ServerConfig, name: str) -> Witness | None:
    """Return what is kept of a watch, None if there is nothing that can be read."""
    try:
        with open(_path(server, name), "rb") as handle:
            found = json.loads(handle.read(HANDED_LIMIT * 2))
        head, seen = _read_message(found["message"], server.host_id)
        return Witness(name, head, seen, f"{datetime.fromisoformat(found['kept']):%Y-%m-%dT%H:%M:%SZ}")
    except (OSError, ValueError, KeyError, TypeError, WitnessError):
        return None


def describe_witnesses(server: ServerConfig) -> list[dict[str, Any]]:
    """Return for each watch what it witnessed, as results and reports have it; ``seq`` 0 and no time: nothing yet."""
    told = [(watch.name, load_witness(server, watch.name)) for watch in list_watches(server)]
    return [{"name": name, "seq": one.head.seq if one else 0, "time": one.kept if one else ""} for name, one in told]


def find_ahead(server: ServerConfig, now: datetime) -> float | None:
    """Return by how many seconds this clock was ahead of a watch's when the newest witness was kept.

    None if no witness says anything; one that is half a day old does not, for the clock may have jumped since.
    """
    told = [one for watch in list_watches(server) if (one := load_witness(server, watch.name))]
    newest = max(told, key=lambda one: one.kept, default=None)
    if newest is None or not -_SOON <= now - datetime.fromisoformat(newest.kept) <= _FRESH:
        return None
    return (datetime.fromisoformat(newest.kept) - datetime.fromisoformat(newest.seen)).total_seconds()


def keep_witness(server: ServerConfig, ledger: Ledger, name: str, handed: bytes, now: datetime) -> Witness:
    """Verify what a watch handed in, and keep it; WitnessError says in one line why not."""
    watch = next((one for one in list_watches(server) if one.name == name), None)
    if watch is None:
        raise WitnessError("this server knows no watch of that name")
    message, signature = _read_handed(handed)
    head, seen = _read_message(message, server.host_id)
    if head.seq < 1 or not ledger.holds(head):
        raise WitnessError(f"the ledger has no such entry {head.seq}")
    before = load_witness(server, name)
    if before is not None and head.seq < before.head.seq:
        raise WitnessError(f"entry {before.head.seq} was witnessed already")
    _verify(server, watch, message, signature)
    kept = {"schema": 1, "name": name, "message": message, "signature": signature, "kept": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    save_json(_path(server, name), kept)
    return Witness(name, head, seen, str(kept["kept"]))


def _path(server: ServerConfig, name: str) -> str:
    return os.path.join(server.state_dir, "witnesses", name + ".json")


def _read_handed(handed: bytes) -> tuple[str, str]:
    if len(handed) > HANDED_LIMIT:
        raise WitnessError(f"a witness has at most {HANDED_LIMIT} bytes")
    try:
        found: Mapping[str, Any] = json.loads(handed)
        message, signature = found["message"], found["signature"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WitnessError("a witness is JSON with a message and a signature") from None
    if not (isinstance(message, str) and isinstance(signature, str) and signature.isascii()):
        raise WitnessError("a witness is JSON with a message and a signature")
    return message, signature


def _read_message(message: str, host_id: str) -> tuple[ChainHead, str]:
    """Return head and time of a message; it must be what `make_message` makes of them, so nothing else is in it."""
    words = [line.partition(" ")[2] for line in message.split("\n")]
    try:
        head, seen = parse_head(words[2]), datetime.fromisoformat(words[3]).astimezone(UTC).isoformat()
    except (IndexError, ValueError, OverflowError):
        raise WitnessError("the message names no head of a ledger") from None
    if message != make_message(host_id, head, seen):
        raise WitnessError("the message is not about this server's ledger")
    return head, seen


def _verify(server: ServerConfig, watch: Watch, message: str, signature: str) -> None:
    """Raise WitnessError unless the watch's own key made the signature (ssh-keygen(1), "ALLOWED SIGNERS")."""
    os.makedirs(server.run_dir, mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=server.run_dir) as place:
        signers, given = os.path.join(place, "signers"), os.path.join(place, "signature")
        atomic_write(signers, f'{watch.name} namespaces="{NAMESPACE}" {watch.key}\n'.encode())
        atomic_write(given, signature.encode())
        _check(["-f", signers, "-I", watch.name, "-n", NAMESPACE, "-s", given], message)


def _check(options: Sequence[str], message: str) -> None:
    try:
        done = run_program(["ssh-keygen", "-Y", "verify", *options], message.encode(), _SECONDS)
    except (OSError, TooSlow):
        raise WitnessError("ssh-keygen cannot be run here") from None
    if done.returncode != 0:
        raise WitnessError("the signature is not that of the watch's key")
