# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a pool: model, serial number, and what they say of themselves by SMART, where that can be had."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from paranoid_nas.asking import ask
from paranoid_nas.storage import NasError

_BY_ID = re.compile(r"(?:ata|nvme|usb|scsi-SATA)-(.+)_([^_]+?)(?:-part\d+)?")
_FREEBSD_PART = re.compile(r"(/dev/(?:a?da|nda|nvd)\d+)p\d+")
_PENDING, _UNCORRECTABLE = 197, 198  # ATA attributes: sectors that could not be read, and that could not be mended


@dataclass(frozen=True)
class Smart:
    """What a disk says; None is what it does not say. ``bad_sectors`` could not be read, ``worn`` is a percentage.

    ``unknown`` is why nothing is known, empty otherwise.
    """

    passed: Optional[bool] = None
    hours: Optional[int] = None
    bad_sectors: Optional[int] = None
    worn: Optional[int] = None
    unknown: str = ""


@dataclass(frozen=True)
class Disk:
    """A disk by its name for ZFS; model and serial number are empty where they are not known."""

    name: str
    model: str = ""
    serial: str = ""
    smart: Smart = Smart()

    @property
    def label(self) -> str:
        """Its name for people, who have to find it in a rack."""
        known = ", ".join(filter(None, (self.model, self.serial)))
        short = self.name.rpartition("/")[2]
        return f"{short} ({known})" if known else short


def describe_disk(name: str, until: float) -> Disk:
    """Return what can be known of a disk, which ``zpool status`` calls by this name."""
    device, model, serial = _find_device(name, until)
    guessed = _BY_ID.fullmatch(name.rpartition("/")[2])
    if not device:
        return Disk(name, smart=Smart(unknown="it is no disk that can be found"))
    try:
        _code, out, _err = ask(["smartctl", "-j", "-i", "-H", "-A", device], until)
    except NasError as error:
        raw, smart = {}, Smart(unknown=str(error))
    else:
        raw = parse_object(out)
        smart = read_smart(raw)
        smart = replace(smart, unknown=smart.unknown.replace(f"{device}: ", ""))  # Others have the same reason.
    named = (raw.get("model_name"), model, guessed[1].replace("_", " ") if guessed else "")
    numbered = (raw.get("serial_number"), serial, guessed[2] if guessed else "")
    return Disk(name, _first(named), _first(numbered), smart)


def read_smart(raw: Mapping[str, Any]) -> Smart:
    """Return what ``smartctl -j`` says. Its exit code mixes eight things, so nobody looks at it."""
    status, hours = raw.get("smart_status"), raw.get("power_on_time")
    passed = status.get("passed") if isinstance(status, Mapping) else None
    if not isinstance(passed, bool):
        return Smart(unknown=_complaint(raw) or "smartctl says nothing of its health")
    nvme = raw.get("nvme_smart_health_information_log")
    nvme = nvme if isinstance(nvme, Mapping) else {}
    bad = _sectors(raw)
    if bad is None:
        bad = _number(nvme.get("media_errors"))
    if _number(nvme.get("critical_warning")):
        passed = False
    spent = _number(hours.get("hours")) if isinstance(hours, Mapping) else None
    return Smart(passed, spent, bad, _number(nvme.get("percentage_used")))


def parse_object(out: bytes) -> dict[str, Any]:
    """Return printed JSON if it is an object, else an empty one."""
    try:
        raw = json.loads(out.decode("utf-8", "replace"))
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


def find_disk(devices: Any) -> Mapping[str, Any]:
    """Return the disk below a partition or an encrypted device, of what ``lsblk -J -s`` lists."""
    for one in devices if isinstance(devices, list) else []:
        if isinstance(one, Mapping):
            found = one if one.get("type") == "disk" else find_disk(one.get("children"))
            if found:
                return found
    return {}


def _find_device(name: str, until: float) -> tuple[str, str, str]:
    """Return a disk's device, model and serial number; an empty device if there is none."""
    places = [name] if name.startswith("/") else [f"/dev/disk/by-id/{name}", f"/dev/{name}"]
    path = next((os.path.realpath(one) for one in places if os.path.exists(one)), "")
    if not path.startswith("/dev/"):
        return "", "", ""
    if sys.platform.startswith("freebsd"):
        found = _FREEBSD_PART.fullmatch(path)
        return (found[1] if found else path), "", ""
    try:
        _code, out, _err = ask(["lsblk", "-J", "-s", "-p", "-o", "PATH,TYPE,MODEL,SERIAL", path], until)
    except NasError:
        return path, "", ""
    disk = find_disk(parse_object(out).get("blockdevices"))
    return str(disk.get("path") or path), str(disk.get("model") or ""), str(disk.get("serial") or "")


def _sectors(raw: Mapping[str, Any]) -> Optional[int]:
    """Return the sectors that an ATA disk could not read."""
    table = raw.get("ata_smart_attributes")
    rows: Iterable[Any] = table.get("table") or () if isinstance(table, Mapping) else ()
    known = {row.get("id"): row.get("raw") for row in rows if isinstance(row, Mapping)}
    counts = [one.get("value") for key in (_PENDING, _UNCORRECTABLE) if isinstance(one := known.get(key), Mapping)]
    numbers = [number for count in counts if (number := _number(count)) is not None]
    return max(numbers, default=None)


def _complaint(raw: Mapping[str, Any]) -> str:
    said = raw.get("smartctl")
    messages = said.get("messages") if isinstance(said, Mapping) else None
    texts = [one.get("string") for one in messages or () if isinstance(one, Mapping)]
    return next((" ".join(text.split())[:200] for text in texts if isinstance(text, str)), "")


def _number(value: Any) -> Optional[int]:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _first(candidates: Sequence[Any]) -> str:
    return next((" ".join(one.split())[:80] for one in candidates if isinstance(one, str) and one.strip()), "")
