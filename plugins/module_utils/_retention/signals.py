# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals of a backup that needs no key to be judged: what is measured, and what is beyond a client's own band.

docs/anomalies.md has the table: what each signal means, and whose word it is. No I/O.

What an archive grew by explains as much new data, and may be incompressible: growth harms no history. So a big new file
moves no signal, and a file that was replaced by another one moves those of what is new.

A band is the median of the client's last usual backups, and on the side that matters five times their spread (the
median of the distances to the median, as large as a standard deviation), but never less than the signal's floor: a
client that does the same each night has no spread at all. What has happened twice among them is within the band, too,
and a quarter more: a dump in full each week.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import format_duration, format_size

MIB = 1024 * 1024
LAST = 30  # backups that make the band
LEAST = 7  # backups without which there is none
TOGETHER = 2  # signals that make an anomaly
READ_LEAST = 64 * MIB  # bytes read back that one backup may always read
_WIDTH = 5 * 1.4826
_AGAIN = 1.25  # times the second largest
_READ_SHARE = 0.5


@dataclass(frozen=True)
class Measures:
    """One backup in numbers; None is unknown. Sizes are bytes, ``duration`` seconds.

    The server's own: ``stored_bytes`` and ``stored_objects`` came since the archive before, ``held_bytes`` and
    ``held_objects`` lie in the repository afterwards, ``read`` was read back, ``received`` came through the tunnel.
    The client's word: ``files``, ``original`` and ``compressed``.
    """

    files: int
    original: int
    compressed: int
    stored_bytes: int
    stored_objects: int
    duration: float
    received: int
    held_bytes: int | None = None
    held_objects: int | None = None
    read: int | None = None


@dataclass(frozen=True)
class Step:
    """A backup, the one ``before`` it, and the last ``usual`` one, with which it is compared."""

    now: Measures
    before: Measures
    usual: Measures

    @property
    def growth(self) -> int:
        """By how many bytes it is larger than the one before it."""
        return max(0, self.now.original - self.before.original)


@dataclass(frozen=True)
class Signal:
    """A measure beyond its band, from ``low`` to ``high``; ``alone``: it needs no second one."""

    name: str
    value: float
    low: float
    high: float
    alone: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Kind:
    """What a signal measures. ``counts`` is whether a client is large enough; ``floor`` is the least width of a band.

    ``unit`` is ``share``, ``bytes`` or ``seconds``; ``word`` says whose number it is.
    """

    label: str
    unit: str
    word: str
    measure: Callable[[Step], float | None]
    counts: Callable[[Step], bool]
    floor: Callable[[float], float]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _new_bytes(step: Step) -> float | None:
    return _share(max(0, step.now.stored_bytes - step.growth), step.usual.compressed + step.growth)


def _new_objects(step: Step) -> float | None:
    """The share of those objects that an archive needs: of all that are held, as many as of the bytes."""
    held, size = step.before.held_objects, step.before.held_bytes
    if held is None or not size:
        return None
    needed = held * min(1.0, step.usual.compressed / size)
    explained = step.growth / step.now.original if step.now.original else 0.0
    share = _share(step.now.stored_objects, needed)
    return None if share is None else max(0.0, share - explained * max(1.0, share))


def _compression(step: Step) -> float | None:
    """By how much worse it compresses than the last usual one, if all that it grew by does not compress at all."""
    was = _share(step.usual.compressed, step.usual.original)
    now = _share(max(0, step.now.compressed - step.growth), step.now.original - step.growth)
    return None if was is None or now is None else now - was


def _lost_files(step: Step) -> float | None:
    return _share(step.usual.files - step.now.files, step.usual.files)


def _lost_bytes(step: Step) -> float | None:
    return _share(step.usual.original - step.now.original, step.usual.original)


def _read(step: Step) -> float | None:
    return step.now.read


def _duration(step: Step) -> float:
    """As long as it would have taken to move what the usual one moved, both ways."""
    now, usual = (one.received + (one.read or 0) for one in (step.now, step.usual))
    return step.now.duration / max(1.0, now / max(usual, MIB))


# In the order in which people read them.
KINDS: Mapping[str, Kind] = {
    "new_bytes": Kind(
        "replaced data",
        "share",
        "server",
        _new_bytes,
        lambda step: step.now.stored_bytes - step.growth >= 16 * MIB,
        lambda usual: max(0.25, 4 * usual),
    ),
    "new_objects": Kind(
        "replaced objects",
        "share",
        "server",
        _new_objects,
        lambda step: step.now.stored_objects >= 20 and step.now.stored_bytes - step.growth >= 16 * MIB,
        lambda usual: max(0.4, 4 * usual),
    ),
    "compression": Kind(
        "worse compression",
        "share",
        "client",
        _compression,
        lambda step: step.now.compressed >= 16 * MIB,
        lambda _usual: 0.1,
    ),
    "lost_files": Kind(
        "fewer files", "share", "client", _lost_files, lambda step: step.usual.files >= 100, lambda _usual: 0.2
    ),
    "lost_bytes": Kind(
        "less data", "share", "client", _lost_bytes, lambda step: step.usual.original >= 16 * MIB, lambda _usual: 0.2
    ),
    "read": Kind("read back", "bytes", "server", _read, lambda step: True, lambda usual: max(READ_LEAST, 3 * usual)),
    "duration": Kind(
        "time for the same", "seconds", "server", _duration, lambda step: True, lambda usual: max(600.0, 2 * usual)
    ),
}


def find_signals(past: Sequence[Step], now: Step) -> tuple[Signal, ...]:
    """Return what of ``now`` is above the bands that the ``past``, oldest first, makes; nothing if that is too short.

    Every signal is a harm where it is large, so no band has a lower end that matters.
    """
    last = past[-LAST:]
    if len(last) < LEAST:
        return ()
    found = (_find_signal(name, kind, last, now) for name, kind in KINDS.items())
    return tuple(signal for signal in found if signal is not None)


def _find_signal(name: str, kind: Kind, past: Sequence[Step], now: Step) -> Signal | None:
    value = kind.measure(now)
    known = [one for one in map(kind.measure, past) if one is not None]
    if value is None or len(known) < LEAST or not kind.counts(now):
        return None
    usual = median(known)
    width = max(_WIDTH * median(abs(one - usual) for one in known), kind.floor(usual))
    high = max(usual + width, _AGAIN * sorted(known)[-2])
    if value <= high:
        return None
    return Signal(name, round(value, 3), round(min(usual, max(0.0, usual - width)), 3), round(high, 3))


def find_reading(read: int | None, held: int | None) -> Signal | None:
    """Return the signal that needs no second one: at least half of a repository of ``held`` bytes was read back.

    No session but a restore reads data. What an honest one reads, when the client lost its cache, are the lists of
    files of its archives; they are a few percent of what a repository holds.
    """
    bound = max(READ_LEAST, _READ_SHARE * (held or 0))
    if read is None or read < bound:
        return None
    return Signal("read", read, 0, bound, alone=True)


def is_anomaly(signals: Sequence[Signal]) -> bool:
    """Whether these are more than one honest cause explains."""
    return len(signals) >= TOGETHER or any(signal.alone for signal in signals)


def describe_signal(signal: Mapping[str, Any]) -> str:
    """Return a signal as a person reads it, from what ``to_dict`` made; it may be of a newer release."""
    kind = KINDS.get(str(signal["name"]))
    label, unit = (kind.label, kind.unit) if kind else (str(signal["name"]), "")
    low, high = _format(signal["low"], unit), _format(signal["high"], unit)
    usual = f"at most {high}" if signal["low"] <= 0 else f"{low} to {high}"
    return f"{label} {_format(signal['value'], unit)} (usual: {usual})"


def _format(value: float, unit: str) -> str:
    if unit == "share":
        return f"{value * 100:.0f} %"
    if unit == "seconds":
        return format_duration(value)
    return format_size(round(value)) if unit == "bytes" else f"{value:g}"
