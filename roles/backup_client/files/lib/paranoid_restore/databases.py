# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases come back: which dumps an archive has, which one is meant, and borgmatic that restores it.

borgmatic keeps dumps as ``borgmatic/<hook>/<host, label or container>/<name>``, with one list of them for each hook
(borgmatic 2.1, hooks/data_source/dump.py). What borgmatic does then is changed by borgmatic_databases.py.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paranoid_restore.errors import RestoreError, printable
from paranoid_restore.progress import format_size
from paranoid_restore.repository import Source

LIST_MAX = 4 * 2**20  # bytes of a list of dumps
_LIST = re.compile(r"(?:.*/)?([a-z]+_databases)/dumps\.json")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$-]{0,62}")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIELDS = ("hook_name", "data_source_name", "hostname", "port", "label", "container")
_LOG_MAX = 16 * 1024
_AROUND = re.compile(r"(: Error running |: An error occurred$|^summary:$|: Running )|^Need some help")
_CUT_OFF = "{} was stopped in the middle: what has come of it is there; the same command with --replace begins anew"
_CRAFTED = "{}'s list of dumps is none: somebody crafted this archive, restore another one"


@dataclass(frozen=True)
class Dump:
    """A database's dump in an archive; ``record`` is borgmatic's own, ``size`` is in bytes."""

    path: str
    record: dict[str, Any]
    size: int

    @property
    def is_file(self) -> bool:
        """Tell whether the database is a file, as SQLite's are."""
        return bool(self.record["hook_name"] == "sqlite_databases")


def find_dumps(items: Iterable[Any], source: Source, archive: str) -> list[Dump]:
    """Return the dumps of an archive, sorted by their names; RestoreError for lists that are none."""
    sizes: dict[str, int] = {}
    found = []
    for item in items:
        path = str(item.path)
        if "_databases/" not in path:
            continue
        match = _LIST.fullmatch(path)
        if match:
            base = path.rpartition("/")[0]
            found += [(f"{base}/{place_of(record)}", record) for record in _read_list(item, source, archive)]
        else:
            sizes[path] = sum(chunk.size for chunk in item.get("chunks") or ())
    dumps = [Dump(path, record, _size(path, sizes)) for path, record in found]
    return sorted(dumps, key=lambda dump: dump.path)


def _read_list(item: Any, source: Source, archive: str) -> Iterator[dict[str, Any]]:
    chunks = item.get("chunks") or ()
    if sum(chunk.size for chunk in chunks) > LIST_MAX:
        raise RestoreError(_CRAFTED.format(archive))
    fetched = list(source.fetch(chunks))
    if any(data is None for _identifier, data in fetched):
        raise RestoreError(f"{archive}'s list of dumps is damaged: restore from an older archive")
    text = b"".join(source.decrypt(identifier, data) for identifier, data in fetched if data is not None)
    try:
        for record in json.loads(text)["dumps"]:
            told = {name: record.get(name) for name in _FIELDS}
            if not all(isinstance(told[name], str) and told[name] for name in _FIELDS[:2]):
                raise ValueError
            yield told
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RestoreError(_CRAFTED.format(archive)) from None


def place_of(record: dict[str, Any]) -> str:
    """Return the path of a dump below its hook's, as borgmatic names it (`make_data_source_dump_filename`)."""
    port = record["port"]
    host = (record["container"] or record["hostname"] or "localhost") + ("" if port is None else f":{port}")
    return f"{record['label'] or host}/{record['data_source_name']}"


def _size(path: str, sizes: dict[str, int]) -> int:
    return sum(size for name, size in sizes.items() if name == path or name.startswith(path + "/"))


def choose_dump(dumps: Sequence[Dump], word: str, archive: str) -> Dump:
    """Return the dump that a name, or the end of a dump's path, fits alone; RestoreError otherwise."""
    found = [dump for dump in dumps if f"/{dump.path}".endswith(f"/{word}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise RestoreError(f"{word} may be {' or '.join(dump.path for dump in found)}: name one of these")
    known = ", ".join(str(dump.record["data_source_name"]) for dump in dumps) or "none"
    raise RestoreError(f"{archive} has no database {word}; it has: {known}")


def find_target(dump: Dump, word: str) -> str:
    """Return the name that the database gets, a path of SQLite's; RestoreError for what can be none."""
    if not word:
        return str(dump.record["data_source_name"])
    if dump.is_file and not os.path.isabs(word):
        raise RestoreError("a database of SQLite is a file: --as /srv/app/restored.db")
    if not dump.is_file and not _NAME.fullmatch(word):
        raise RestoreError(f"{word!r} is no name for a database: letters, digits and _ . $ -")
    return word


def show_dumps(dumps: Sequence[Dump], archive: str) -> int:
    """Print the dumps of an archive."""
    for dump in dumps:
        sys.stdout.write(f"{format_size(dump.size):>9}  {printable(dump.path)}\n")
    sys.stdout.write(f"{printable(archive)}: {len(dumps)} databases\n")
    return 0


def restore_database(options: argparse.Namespace, config: dict[str, Any], archive: str, dump: Dump) -> int:
    """Have borgmatic restore a database, or with ``--check`` say that it would; RestoreError says why not."""
    target = find_target(dump, options.as_name)
    order = {"dump": dump.record, "target": target, "replace": options.replace, "check": options.check}
    events = _run_borgmatic(config, archive, order)
    reason = find_reason(events)
    if reason:
        raise RestoreError(f"{dump.record['data_source_name']}: {reason}")
    what = f"{printable(archive)}: {printable(dump.path)}, {format_size(dump.size)}"
    sys.stdout.write(f"{what}, {'would be' if options.check else 'is'} restored as {printable(target)}\n")
    return 0


def _run_borgmatic(config: dict[str, Any], archive: str, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Run it as the dispatcher does; return what its launcher told, with an event of its end."""
    argv = [config["borgmatic"], "--config", config["config"], "restore", f"--archive={archive}"]
    reading, writing = os.pipe()
    environment = make_environment(config)
    environment.update(PARANOID_BACKUP_DATABASE=json.dumps(order), PARANOID_BACKUP_EVIDENCE=str(writing))
    with (
        open(reading, "rb") as told,
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writing],
            start_new_session=True,
        ) as process,
    ):
        os.close(writing)
        try:
            events = [json.loads(line) for line in told]
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise RestoreError(_CUT_OFF.format(order["target"])) from None
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_MAX))
        said = log.read().decode("utf-8", "replace")
    return [*events, {"event": "ended", "code": code, "said": said}]


def make_environment(config: dict[str, Any]) -> dict[str, str]:
    """Return the environment that borgmatic has in a session (paranoid_dispatcher/toolbox.py), and the tunnel's end."""
    return {
        "PATH": f"{Path(config['borg']).parent}:{_SYSTEM_PATH}",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "BORG_BASE_DIR": config["base_dir"],
        "XDG_STATE_HOME": f"{config['base_dir']}/state",
        "XDG_RUNTIME_DIR": config["runtime_dir"],
        "PARANOID_BACKUP_SOCKET": os.environ["PARANOID_BACKUP_SOCKET"],
        "PARANOID_BACKUP_TAGGED_PATHS": "[]",
    }


def find_reason(events: Sequence[dict[str, Any]]) -> str:
    """Return why a restore failed, as one line; empty if it did not."""
    refused = [str(event["reason"]) for event in events if event["event"] == "refused"]
    failed = [event for event in events if event["event"] == "failed"]
    errors = [str(event["message"]) for event in events if event["event"] == "error"]
    code = events[-1]["code"]
    if refused:
        return refused[0]
    if code and failed:
        first = failed[0]
        said = [line.strip() for line in str(first["output"]).splitlines() if line.strip()]
        name = "Borg" if first["borg"] else str(first["command"]).partition(" ")[0]  # The rest may hold a password.
        words = errors if first["borg"] and errors else said
        loud = [line for line in words if "error" in line.casefold()] or words
        return f"{name} ended with {first['code']}{': ' + loud[-1] if loud else ''}"
    if code:
        return errors[-1] if errors else _find_last_word(events[-1]["said"])
    return ""


def _find_last_word(log: str) -> str:
    """Return the line of borgmatic's log that says what was wrong; the lines around it say where."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    words = [line for line in lines if not _AROUND.search(line)]
    return words[-1] if words else "borgmatic failed and did not say why"
