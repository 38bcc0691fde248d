# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a watch remembers of a server: the head that it saw, and what the proven entries say of each client."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from paranoid_runner.files import write_whole
from paranoid_runner.watch.chain import EMPTY, Head, parse_head

SCHEMA = 1


class MemoryLost(Exception):
    """What was remembered cannot be read; the message is one line."""


@dataclass(frozen=True)
class Arrival:
    """An archive that came with entry ``seq``, at the server's ``time``, with a session.

    ``good``: no audit raised an alarm for it; ``gone``: it was taken away, and did not come back.
    """

    seq: int
    time: datetime
    archive: str
    session: str
    good: bool = True
    gone: bool = False


@dataclass(frozen=True)
class Known:
    """What is known of a client from the ledger's entries, whose times are the server's.

    ``first`` is when the watch saw it first, or since then its repository was made.
    ``newest`` is the entry of the newest archive that was good as it came; ``stored`` the bytes that sessions brought
    and compactions left; ``escrowed``, ``opened`` and ``restored`` when its key was kept, tried, and data brought back.
    """

    first: datetime
    arrivals: tuple[Arrival, ...] = ()
    newest: int = 0
    stored: int = 0
    frozen: bool = False
    retired: bool = False
    escrowed: datetime | None = None
    opened: datetime | None = None
    restored: datetime | None = None

    @property
    def arrived(self) -> datetime | None:
        """When the newest archive came that is good and still there."""
        return max((one.time for one in self.arrivals if one.good and not one.gone), default=None)


@dataclass(frozen=True)
class Sample:
    """The disk at a time of the watch, in bytes."""

    time: datetime
    total: int
    free: int


@dataclass(frozen=True)
class Memory:
    """``host_id`` is the server's, empty before the first answer; ``listed`` are the clients that it had so far.

    ``again`` is how far the past was read another time: an entry that was altered later shows nowhere else.
    """

    host_id: str = ""
    head: Head = EMPTY
    again: Head = EMPTY
    answered: datetime | None = None
    known: Mapping[str, Known] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()


def load_memory(path: Path) -> Memory:
    """Return what is remembered; MemoryLost if it cannot be read, for then nobody knows what was seen."""
    try:
        found = json.loads(path.read_bytes())
        if found["schema"] != SCHEMA:
            raise ValueError("another schema")
        return Memory(
            host_id=str(found["host_id"]),
            head=parse_head(found["head"]),
            again=parse_head(found["again"]),
            answered=_take_time(found["answered"]),
            known={name: _read_known(one) for name, one in found["known"].items()},
            listed=tuple(found["listed"]),
            samples=tuple(Sample(datetime.fromisoformat(time), *sizes) for time, *sizes in found["samples"]),
        )
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MemoryLost(
            f"{path} cannot be read ({type(error).__name__}): bring it back, or begin with --anew"
        ) from None


def save_memory(path: Path, memory: Memory) -> None:
    """Keep what is remembered, on disk when this returns; raises OSError."""
    found = {
        "schema": SCHEMA,
        "host_id": memory.host_id,
        "head": str(memory.head),
        "again": str(memory.again),
        "answered": _show_time(memory.answered),
        "known": {name: _write_known(one) for name, one in memory.known.items()},
        "listed": list(memory.listed),
        "samples": [[one.time.isoformat(), one.total, one.free] for one in memory.samples],
    }
    write_whole(path, os.fsencode(json.dumps(found)))


def _write_known(one: Known) -> dict[str, Any]:
    found = {name: _show_time(value) if isinstance(value, datetime) else value for name, value in asdict(one).items()}
    rows = [[a.seq, a.time.isoformat(), a.archive, a.session, a.good, a.gone] for a in one.arrivals]
    return {**found, "arrivals": rows}


def _read_known(found: Mapping[str, Any]) -> Known:
    times = {name: _take_time(found[name]) for name in ("escrowed", "opened", "restored")}
    return Known(
        first=datetime.fromisoformat(found["first"]),
        arrivals=tuple(
            Arrival(int(seq), datetime.fromisoformat(time), str(archive), str(session), bool(good), *map(bool, gone))
            for seq, time, archive, session, good, *gone in found["arrivals"]  # An earlier release kept no gone.
        ),
        newest=int(found["newest"]),
        stored=int(found["stored"]),
        frozen=bool(found["frozen"]),
        retired=bool(found["retired"]),
        **times,
    )


def _take_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _show_time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
