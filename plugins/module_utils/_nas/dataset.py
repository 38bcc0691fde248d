# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ZFS dataset should be, against what it is: refusals and changes, without a file or a process. Python 3.9.

Names and properties are those of zfs(8) and zfsprops(7) of OpenZFS; ``zfs get -p`` gives sizes in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

# Says for whom the role made a dataset; what does not have it is somebody else's. A user property (zfsprops(7)).
MARK = "paranoid.backup:for"
_SIZES = ("quota", "refquota", "reservation", "refreservation", "recordsize")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_COMPONENT = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)
_POOL = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*", re.ASCII)
_RESERVED = re.compile(r"(mirror|raidz|draid|spare)|(log|cache|special|dedup)$|c[0-9]")
_LONGEST = 200  # characters of 255: the name of a snapshot follows
_FULL = 98  # per cent of a pool
_LOSSY = {"sync": ("disabled", "standard"), "logbias": ("throughput", "latency")}


class DatasetError(Exception):
    """A dataset cannot be as desired: one line for a person."""


@dataclass(frozen=True)
class Property:
    """A property as ``zfs get -p`` shows it; the source is ``local``, ``default``, ``-`` or ``inherited from …``."""

    value: str
    source: str = "-"


@dataclass(frozen=True)
class Desired:
    """A dataset as it should be. ``adopt``: take over one that nobody has marked."""

    name: str
    mark: str
    properties: Mapping[str, str] = field(default_factory=dict)
    adopt: bool = False


Actual = Mapping[str, Property]


@dataclass(frozen=True)
class Change:
    """What has to be done to one dataset; ``before`` has the same keys as ``properties``."""

    name: str
    create: bool
    properties: Mapping[str, str]
    before: Mapping[str, str]
    mount: bool = False


def parse_size(text: str) -> int:
    """Return bytes of a size such as ``10G``, 0 for ``none``; DatasetError if it is none."""
    if text.lower() in ("none", "0", "-", ""):
        return 0
    found = re.fullmatch(r"([0-9]+)([KMGTP]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not found:
        raise DatasetError(f"{text[:40]!r} is no size: write a number of bytes, or one with K, M, G or T")
    return int(found[1]) * _UNITS[found[2].upper()]


def canonical(name: str, value: str) -> str:
    """Return a property's value as ``zfs get -p`` prints it."""
    return str(parse_size(value)) if name in _SIZES else value


def check_name(name: str) -> None:
    """Raise DatasetError if ZFS, or the name of a snapshot of it, would refuse this name of a dataset."""
    pool, *rest = name.split("/")
    if not _POOL.fullmatch(pool) or _RESERVED.match(pool):
        raise DatasetError(f"{name[:80]!r}: ZFS has no pool of such a name; write POOL/DATASET")
    wrong = [part for part in rest if not _COMPONENT.fullmatch(part) or part in (".", "..")]
    if wrong or not rest:
        raise DatasetError(
            f"{name[:80]!r} is no dataset's name: write POOL/DATASET, of letters, digits and _ . : - only"
        )
    if len(name) > _LONGEST:
        raise DatasetError(f"{name[:80]}… is longer than {_LONGEST} characters, and snapshots need a name as well")


def check_pool(pool: str, about: Optional[Mapping[str, str]], creates: bool) -> list[str]:
    """Return warnings about a pool that can be used (properties of zpoolprops(7)); DatasetError if it cannot."""
    if about is None:
        raise DatasetError(f"there is no pool {pool}: import it (zpool import {pool}), or name another")
    health = about.get("health", "?")
    if health not in ("ONLINE", "DEGRADED"):
        raise DatasetError(f"the pool {pool} is {health}: zpool status {pool} says why")
    if about.get("readonly") == "on":
        raise DatasetError(f"the pool {pool} was imported read-only: export it and import it without readonly=on")
    warnings = []
    if health == "DEGRADED":
        warnings.append(f"the pool {pool} is DEGRADED, one more disk may be one too many: see zpool status {pool}")
    used = about.get("capacity", "").rstrip("%")
    if used.isdigit() and int(used) >= _FULL:
        line = f"the pool {pool} is full ({used} %): add disks, or let snapshots end their time"
        if creates:
            raise DatasetError(line)
        warnings.append(line)
    return warnings


def _refuse_lossy(name: str, of: str, actual: Actual) -> None:
    for prop, (lossy, safe) in _LOSSY.items():
        found = actual.get(prop)
        if found and found.value == lossy:
            where = of if not found.source.startswith("inherited from ") else found.source.rpartition(" ")[2]
            raise DatasetError(
                f"{name} would have {prop}={lossy}, set at {where}: a power cut loses what was acknowledged. "
                f"zfs set {prop}={safe} {where}"
            )


def _refuse_foreign(desired: Desired, actual: Actual) -> None:
    name = desired.name
    kind = actual.get("type", Property("filesystem")).value
    if kind != "filesystem":
        raise DatasetError(f"{name} exists and is a {kind}: choose another name")
    mark = actual.get(MARK)
    own = mark is not None and mark.source == "local"
    if own and mark is not None and mark.value != desired.mark:
        raise DatasetError(f"{name} was made for {mark.value}, not for {desired.mark}: choose another name")
    if not own and not desired.adopt:
        raise DatasetError(
            f"{name} exists and was not made for {desired.mark}: if it is meant, zfs set {MARK}='{desired.mark}' {name}"
        )


def _refuse_unusable(desired: Desired, actual: Actual) -> None:
    name = desired.name
    if actual.get("keystatus", Property("-")).value == "unavailable":
        raise DatasetError(f"{name} is encrypted and its key is not loaded: zfs load-key {name}")
    if actual.get("readonly", Property("off")).value == "on":
        raise DatasetError(f"{name} is read-only: zfs set readonly=off {name}")
    for prop, used_by in (("quota", "used"), ("refquota", "referenced")):
        limit = parse_size(desired.properties.get(prop, "none"))
        used = actual.get(used_by, Property("0")).value
        if limit and used.isdigit() and limit < int(used):
            raise DatasetError(f"{prop} {limit} of {name} is below the {used} bytes that it uses: allow more")


def check_desired(desired: Desired) -> None:
    """Raise DatasetError for what nobody may ask for, whatever there is."""
    check_name(desired.name)
    wanted = {name: Property(value, "local") for name, value in desired.properties.items()}
    _refuse_lossy(desired.name, desired.name, wanted)
    for name, value in desired.properties.items():
        canonical(name, value)
    limits = [parse_size(desired.properties.get(name, "none")) for name in ("refquota", "quota")]
    if all(limits) and limits[0] > limits[1]:
        raise DatasetError(
            f"{desired.name}: refquota {limits[0]} is above quota {limits[1]}, which counts snapshots too"
        )


def plan_dataset(desired: Desired, actual: Optional[Actual], parent: Actual) -> Optional[Change]:
    """Return what has to be done, None if nothing; DatasetError if the dataset cannot or may not be as desired.

    ``parent`` has the properties of the nearest dataset above that exists: a new one inherits them.
    """
    check_desired(desired)
    wanted = {name: canonical(name, value) for name, value in desired.properties.items()} | {MARK: desired.mark}
    if actual is None:
        inherited = {name: one for name, one in parent.items() if name not in desired.properties}
        _refuse_lossy(desired.name, desired.name.rpartition("/")[0], inherited)
        return Change(desired.name, True, wanted, {})
    _refuse_foreign(desired, actual)
    _refuse_lossy(desired.name, desired.name, actual)
    _refuse_unusable(desired, actual)
    differs = {name: value for name, value in wanted.items() if _current(name, actual) != value}
    unmounted = actual.get("mounted", Property("yes")).value == "no"
    if not differs and not unmounted:
        return None
    return Change(desired.name, False, differs, {name: _current(name, actual) for name in differs}, unmounted)


def _current(name: str, actual: Actual) -> str:
    found = actual.get(name)
    if found is None or (name == MARK and found.source != "local"):
        return ""
    return canonical(name, found.value)
