# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Escrowed keys beside the repository: ciphertexts that the client made, every one of them, newest last.

A client that is broken into can send rubbish, but what it sent earlier stays: nothing here is ever written over. What
is for somebody who is no recipient any more a person may remove, once a newer one is seen to open (`forgetting.py`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write, sync_directory
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

CIPHERTEXT_LIMIT = 64 * 1024  # characters
KEPT_LIMIT = 1000  # ciphertexts of one client
NONE, OUTDATED, UNREADABLE, KEPT = "none", "outdated", "unreadable", "kept"
ESCROW_STATES = frozenset({NONE, OUTDATED, UNREADABLE, KEPT})
_LAST_NUMBER = 9999
_BEGIN, _END = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"
_FIRST_LINE = b"age-encryption.org/v1\n"
_META_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Recipient:
    """Somebody who can open an escrow: a person's name, and the public key that age encrypts for."""

    holder: str
    recipient: str


@dataclass(frozen=True)
class Escrow:
    """One ciphertext: its SHA-256, when the server took it, and for whom it is, which is the client's word."""

    digest: str
    kept: str
    recipients: tuple[Recipient, ...]
    name: str

    @property
    def holders(self) -> list[str]:
        """The names of those who can open it, each once."""
        return list(dict.fromkeys(one.holder for one in self.recipients))


def take_recipients(entries: Sequence[Mapping[str, str]]) -> tuple[Recipient, ...]:
    """Return recipients from their JSON, whose form the caller has checked."""
    return tuple(Recipient(entry["holder"], entry["recipient"]) for entry in entries)


def is_age(ciphertext: str, recipients: int) -> bool:
    """Tell whether this is an armored age file for at least so many recipients (C2SP, age: "Header", "ASCII armor")."""
    lines = ciphertext.strip().splitlines()
    if len(ciphertext) > CIPHERTEXT_LIMIT or len(lines) < 3 or (lines[0], lines[-1]) != (_BEGIN, _END):
        return False
    try:
        content = base64.b64decode("".join(lines[1:-1]), validate=True)
    except (ValueError, binascii.Error):
        return False
    header, mark, _payload = content.partition(b"\n--- ")
    return content.startswith(_FIRST_LINE) and bool(mark) and header.count(b"\n-> ") >= recipients > 0


def keep_escrow(site: Site, ciphertext: str, recipients: tuple[Recipient, ...], now: str) -> bool:
    """Keep a ciphertext, and return whether it is a new one; SessionError when the client sends too many."""
    digest = hashlib.sha256(ciphertext.encode()).hexdigest()
    kept = list_escrows(site)
    if any(escrow.digest == digest for escrow in kept):
        return False
    number = max((int(escrow.name[:4]) for escrow in kept), default=0) + 1
    if len(kept) >= KEPT_LIMIT or number > _LAST_NUMBER:
        raise SessionError("refused", f"{site.name} sent {KEPT_LIMIT} different escrows: look at that host first")
    name = f"{number:04}-{now.replace(':', '').replace('-', '')}-{digest[:12]}"
    escrow = Escrow(digest, now, recipients, name)
    os.makedirs(directory(site), mode=0o700, exist_ok=True)
    atomic_write(os.path.join(directory(site), name + ".age"), ciphertext.encode())
    meta = {"schema": 1, "client": site.name, **asdict(escrow)}
    atomic_write(os.path.join(directory(site), name + ".json"), json.dumps(meta, indent=1).encode())
    return True


def list_escrows(site: Site) -> list[Escrow]:
    """Return what is kept, oldest first; what has no description was not kept whole."""
    try:
        names = sorted(name for name in os.listdir(directory(site)) if name.endswith(".json"))
    except FileNotFoundError:
        return []
    return [_load(os.path.join(directory(site), name)) for name in names]


def remove_escrow(site: Site, escrow: Escrow) -> None:
    """Remove a ciphertext, its description first: what has none is no escrow any more."""
    for name in (escrow.name + ".json", escrow.name + ".age"):
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(directory(site), name))
    sync_directory(directory(site))


def load_ciphertext(site: Site, escrow: Escrow) -> str:
    """Return an escrow's ciphertext; SessionError if it is not the one that was kept."""
    path = os.path.join(directory(site), escrow.name + ".age")
    try:
        with open(path, encoding="ascii") as handle:
            text = handle.read(CIPHERTEXT_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise SessionError("server_error", f"cannot read {path}: {error}") from None
    if hashlib.sha256(text.encode()).hexdigest() != escrow.digest:
        raise SessionError("server_error", f"{path} is not the escrow that was kept: bring it back from a copy")
    return text


def describe_state(site: Site) -> dict[str, Any]:
    """Return the state of a client's escrow for its results; outdated is one that is not for whom it should be."""
    blank = {"holders": [], "digest": "", "kept": "", "problem": ""}
    try:
        escrows = list_escrows(site)
    except SessionError as error:
        return {**blank, "state": UNREADABLE, "problem": error.reason}
    if not escrows:
        return {**blank, "state": NONE}
    newest, wanted = escrows[-1], site.client.escrow_recipients
    same = {one.recipient for one in newest.recipients} == {one["recipient"] for one in wanted}
    state = KEPT if same else OUTDATED
    return {"state": state, "holders": newest.holders, "digest": newest.digest, "kept": newest.kept, "problem": ""}


def directory(site: Site) -> str:
    """Return where a client's escrows lie: beside its repository, out of its user's reach."""
    return os.path.join(os.path.dirname(site.client.repository), "escrow")


def _load(path: str) -> Escrow:
    try:
        with open(path, encoding="utf-8") as handle:
            meta = json.loads(handle.read(_META_LIMIT))
        recipients = take_recipients(meta["recipients"])
        return Escrow(str(meta["digest"]), str(meta["kept"]), recipients, str(meta["name"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SessionError("server_error", f"cannot read {path}: {error}; bring it back from a copy") from None
