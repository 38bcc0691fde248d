# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that an identity opens an escrow, and that Borg takes what is in it; nothing of it is shown or stays.

Borg gets a repository of one object: the client's encrypted list of archives, under the repository's id. The key is
imported from the escrow, the passphrase comes through a pipe. Borg lists no archive unless both are right, for the list
is authenticated with the key.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import Ended, TooSlow, run_program
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import EscrowError

_MAGIC = b"BORG_SEG"  # Borg docs, internals, "Segments"
_MANIFEST_ID = bytes(32)
_PUT, _COMMIT = 0, 2
_SECONDS = 300
_CONFIG = """[repository]
version = 1
segments_per_dir = 1000
max_segment_size = 524288000
append_only = 0
storage_quota = 0
additional_free_space = 0
id = {identifier}
"""


@dataclass(frozen=True)
class Opened:
    """What an escrow holds. It stays in this process."""

    client: str
    passphrase: str
    key: str


def open_escrow(ciphertext: str, identity: str) -> Opened:
    """Decrypt with the identity in this file; EscrowError when it does not open it, or what comes out is no escrow."""
    argv = ["age", "--decrypt", "--identity", identity]
    done = _run(argv, ciphertext.encode(), {}, "install the package age here")
    if done.returncode:
        raise EscrowError(
            f"{identity} does not open it ({_first_line(done.complaint)}): bring the identity of one of its holders"
        )
    try:
        record = json.loads(done.stdout)
        return Opened(str(record["client"]), str(record["passphrase"]), str(record["key"]))
    except (ValueError, KeyError, TypeError):
        raise EscrowError(
            "it opens, but holds no passphrase and key: the client sent rubbish, look at that host"
        ) from None


def open_newest(escrows: Sequence[Mapping[str, Any]], identity: str, client: str, sample: Mapping[str, Any]) -> Opened:
    """Open the newest escrow that this identity opens and that is of the client's repository; EscrowError for none.

    A client that was broken into may have sent rubbish last, and an earlier escrow may be for other people.
    """
    reasons = []
    for escrow in reversed(escrows):
        try:
            opened = open_escrow(str(escrow["ciphertext"]), identity)
            require_own(opened, client, sample)
        except EscrowError as error:
            reasons.append(str(error))
        else:
            return opened
    raise EscrowError(reasons[0] if reasons else "there is no escrow of it on the server")


def require_own(opened: Opened, client: str, sample: Mapping[str, Any]) -> str:
    """Return the repository's id; EscrowError unless what was opened says that it is of this client and repository."""
    if opened.client != client:
        raise EscrowError(f"this escrow says that it is of {one_line(opened.client, 60)}, not of {client}")
    identifier = str(sample["repository_id"])
    if not valid_id(identifier):
        raise EscrowError(f"the server names no repository of {client}: look at that server")
    if not opened.key.startswith(f"BORG_KEY {identifier}\n"):
        raise EscrowError(f"the key in this escrow is of another repository than {client} has: run escrow.yml for it")
    return identifier


def prove(opened: Opened, client: str, sample: Mapping[str, Any], borg: str) -> None:
    """Raise EscrowError unless Borg reads the client's list of archives with what was opened."""
    identifier = require_own(opened, client, sample)
    with tempfile.TemporaryDirectory(prefix="escrow-") as place:
        repository = make_repository(os.path.join(place, "repo"), identifier, base64.b64decode(sample["list"]))
        environment = {"BORG_REPO": repository, "BORG_BASE_DIR": place, "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
        key_file = os.path.join(place, "key")
        with open(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as handle:
            handle.write(opened.key)
        for words in (["key", "import", "::", key_file], ["list", "--short", "--consider-checkpoints", "::"]):
            _borg(borg, words, environment, opened.passphrase, client)


def make_repository(path: str, identifier: str, listed: bytes) -> str:
    """Make a repository that holds a list of archives and nothing else, and return its path."""
    os.makedirs(os.path.join(path, "data/0"), mode=0o700)
    entry = struct.pack("<IB", 41 + len(listed), _PUT) + _MANIFEST_ID + listed
    commit = struct.pack("<IB", 9, _COMMIT)
    content = _MAGIC + b"".join(struct.pack("<I", zlib.crc32(part)) + part for part in (entry, commit))
    for name, data in (
        ("data/0/0", content),
        ("config", _CONFIG.format(identifier=identifier).encode()),
        ("README", b"This is a Borg Backup repository.\nSee https://borgbackup.readthedocs.io/\n"),
    ):
        with open(os.path.join(path, name), "wb") as handle:
            handle.write(data)
    return path


def find_recipients(identity: str) -> list[str]:
    """Return the public recipients of the identities in a file: of age, or of ssh."""
    for argv in (["age-keygen", "-y", identity], ["ssh-keygen", "-y", "-P", "", "-f", identity]):
        done = _run(argv, b"", {}, "install the package age here")
        if done.returncode == 0:
            return [line.strip() for line in done.said.splitlines() if line.strip()]
    return []


def _borg(borg: str, words: list[str], environment: Mapping[str, str], passphrase: str, client: str) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, passphrase.encode() + b"\n")
        os.close(writing)
        own = {**environment, "BORG_PASSPHRASE_FD": str(reading)}
        done = _run([borg, *words], b"", own, "install Borg here, or name it by backup_borg", reading)
    finally:
        os.close(reading)
    if done.returncode:
        raise EscrowError(f"Borg does not take the escrow of {client}: {_first_line(done.complaint)}")


def _run(argv: list[str], given: bytes, environment: Mapping[str, str], missing: str, *descriptors: int) -> Ended:
    own = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
    try:
        return run_program(argv, given, _SECONDS, env={**own, **environment}, pass_fds=descriptors)
    except FileNotFoundError:
        raise EscrowError(f"{argv[0]} is not there: {missing}") from None
    except TooSlow:
        raise EscrowError(f"{argv[0]} did not end within {_SECONDS} s") from None


def _first_line(said: str) -> str:
    """Return what age or Borg said first, as one line; age adds where to report what it finds unexpected."""
    lines = [line for line in said.splitlines() if line.strip() and "report unexpected" not in line]
    return one_line(lines[0], 200) if lines else "it gave no reason"
