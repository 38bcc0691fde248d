# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The escrow directory on the controller: ``<directory>/<client>/<name>.age`` and ``.json``, fit to be kept in git.

Only ciphertext lies here. What is there stays, but for what is named to be forgotten: a server that sends another text
under an old name is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line

REHEARSALS = "rehearsals.json"
_NAME = re.compile(r"[0-9]{4}-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}", re.ASCII)
_LIMIT = 1024 * 1024


class EscrowError(Exception):
    """The message is one line: what is wrong with an escrow, and what to do."""


def collect(directory: str, client: str, escrows: Iterable[Mapping[str, Any]], check: bool = False) -> list[str]:
    """Write the escrows that are not there yet, and return their names; EscrowError for what is not as it should be."""
    place = os.path.join(directory, client)
    came = []
    for escrow in escrows:
        name, text = str(escrow["name"]), str(escrow["ciphertext"])
        if not _NAME.fullmatch(name) or hashlib.sha256(text.encode()).hexdigest() != escrow["digest"]:
            raise EscrowError(
                f"the server sent an escrow of {client} that is not the one it names: look at that server"
            )
        path = os.path.join(place, name + ".age")
        if _holds(path, text, client):
            continue
        came.append(name)
        if not check:
            os.makedirs(place, exist_ok=True)
            told = {"client": client, **{key: escrow[key] for key in ("name", "digest", "kept", "recipients")}}
            atomic_write(os.path.join(place, name + ".json"), json.dumps(told, indent=1).encode() + b"\n", 0o644)
            atomic_write(path, text.encode(), 0o644)
    return came


def remove_forgotten(directory: str, client: str, names: Iterable[str], check: bool = False) -> list[str]:
    """Remove escrows that the server was told to forget, and return the names of those that were here.

    A server that names the newest one as well would have the client's last way back removed: EscrowError.
    """
    forgotten, gone = sorted(filter(_NAME.fullmatch, names)), []
    if forgotten and forgotten[-1] == max(_list_here(os.path.join(directory, client)), default=""):
        raise EscrowError(
            f"the server says that it forgot the newest escrow of {client}: it stays here; look at that server"
        )
    for name in forgotten:
        paths = [os.path.join(directory, client, name + ending) for ending in (".age", ".json")]
        if not any(map(os.path.lexists, paths)):
            continue
        gone.append(name)
        for path in paths:
            if not check and os.path.lexists(path):
                os.unlink(path)
    return gone


def _list_here(place: str) -> list[str]:
    names = os.listdir(place) if os.path.isdir(place) else []
    return [name[: -len(".age")] for name in names if name.endswith(".age")]


def describe(
    client: str, wanted: Iterable[Mapping[str, str]], escrows: list[Mapping[str, Any]], removed: Iterable[str] = ()
) -> str:
    """Return one line: for whom the newest escrow is, in the client's word, and for whom it should be and is not.

    ``removed`` are those who had an escrow of this key that is not kept any more.
    """
    should = _holders(wanted)
    if not escrows:
        cure = "run escrow.yml" if should else "set backup_client_escrow_recipients, run site.yml"
        return f"{client}: no escrow; {cure}"
    newest = escrows[-1]
    can = _holders(newest["recipients"])
    missing = _names(should, without=[can])
    former = _names(can, without=[should])
    earlier = _names(_holders(one for escrow in escrows[:-1] for one in escrow["recipients"]), without=[can, should])
    known = ", ".join(dict.fromkeys([*filter(None, [earlier]), *(one_line(str(one), 60) for one in removed)]))
    parts = [f"{client}: escrowed for {_names(can) or 'nobody'} (kept {one_line(str(newest['kept']), 30)})"]
    if missing:
        parts.append(f"not for {missing}, though it should be: run site.yml and escrow.yml for it")
    if former:
        parts.append(f"still for {former}, who should not any more: run site.yml and escrow.yml for it")
    if known:
        parts.append(
            f"{known} had an earlier one and must be assumed to know this key: rekey.yml begins with a new one"
        )
    return "; ".join(parts)


def _holders(recipients: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return who holds what age encrypts for; a server may have written anything there."""
    return {one["recipient"]: one_line(str(one["holder"]), 60) for one in recipients}


def _names(holders: Mapping[str, str], without: Sequence[Mapping[str, str]] = ()) -> str:
    """Return those who hold something that none of the others do, each once."""
    left = (name for recipient, name in holders.items() if not any(recipient in other for other in without))
    return ", ".join(dict.fromkeys(left))


def note_rehearsal(directory: str, holder: str, client: str, now: str) -> None:
    """Note that a holder has opened a client's escrow."""
    path = os.path.join(directory, REHEARSALS)
    try:
        with open(path, encoding="utf-8") as handle:
            noted = json.loads(handle.read(_LIMIT))
    except FileNotFoundError:
        noted = {}
    except (OSError, ValueError) as error:
        raise EscrowError(f"{path} cannot be read: {error}; move it aside") from None
    noted.setdefault(holder, {})[client] = now
    atomic_write(path, json.dumps(noted, indent=1, sort_keys=True).encode() + b"\n", 0o644)


def _holds(path: str, text: str, client: str) -> bool:
    try:
        with open(path, encoding="ascii") as handle:
            same = handle.read(_LIMIT) == text
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise EscrowError(f"{path} cannot be read: {error}") from None
    if not same:
        raise EscrowError(
            f"{path} is not what the server has of {client}: compare both with an older copy, trust neither"
        )
    return True
