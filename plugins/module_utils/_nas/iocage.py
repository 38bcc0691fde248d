# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program iocage of FreeBSD, as a module on that host runs it. Python 3.9.

Its exit codes are not believed: it ends with 0 after it failed to stop a jail or to mount, and with 1 for whatever a
command inside ended with. What it should have done is looked at afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._nas.jail import (
    Desired,
    Jail,
    JailError,
    Mount,
    Plan,
    canonical,
    check_version,
    find_row,
    missing_mounts,
    parse_fstab,
    parse_live,
    parse_rows,
    parse_values,
)

Run = Callable[[Sequence[str]], tuple[int, str, str]]  # exit code, standard output, standard error
_ACTIVE = "org.freebsd.ioc:active"
_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Iocage:
    """The jails of this host; each method raises JailError with what iocage said."""

    def __init__(self, run: Run) -> None:
        self._run = run
        check_version(self._read("iocage", "--version"))

    def active_pool(self) -> str:
        """Return the pool of the jails, empty if there is none. ZFS is asked: iocage would activate the first pool."""
        rows = self._read("zfs", "get", "-H", "-d", "0", "-o", "name,value", _ACTIVE).splitlines()
        active = [name for name, _tab, value in (row.partition("\t") for row in rows) if value == "yes"]
        return active[0] if active else ""

    def activate(self, pool: str) -> None:
        """Have iocage keep its jails in a pool."""
        said = self._try("iocage", "activate", pool)
        if self.active_pool() != pool:
            raise JailError(f"iocage activate {pool}: {said}")

    def releases(self) -> list[str]:
        """Return the releases that are fetched."""
        return [row[0] for row in parse_rows(self._read("iocage", "list", "-r", "-H"))]

    def find(self, name: str) -> Optional[Jail]:
        """Return a jail as it is, None if there is none of exactly this name."""
        row = find_row(self._read("iocage", "list", "-H", "-l"), name)
        if row is None:
            return None
        if row[3] not in ("up", "down"):
            raise JailError(
                f"jail {name} is {row[3]}, as one that was not made to its end: "
                f"iocage destroy -f -R {name}, and run this again"
            )
        values, root = parse_values(self._read("iocage", "get", "all", name)), self.root(name)
        mounts = parse_fstab(self._read("iocage", "fstab", "-l", "-H", name), root)
        live = parse_live(self._read("mount", "-t", "nullfs", "-p"), root)
        return Jail(row[3], row[5], values, mounts, live, self._packages(name) if row[3] == "up" else None)

    def root(self, name: str) -> str:
        """Return the directory of the host that is a jail's root."""
        top = self._read("zfs", "get", "-H", "-o", "value", "mountpoint", f"{self.active_pool()}/iocage").strip()
        return f"{top}/jails/{name}/root"

    def _packages(self, name: str) -> list[str]:
        """Return the packages inside; none if pkg itself is not there yet, of which ``pkg -N`` installs nothing."""
        if self._run(["iocage", "exec", name, "--", "pkg", "-N"])[0]:
            return []
        return self._read("iocage", "exec", name, "--", "pkg", "query", "%n").split()

    def apply(self, desired: Desired, plan: Plan) -> None:
        """Do what was planned."""
        name = desired.name
        if plan.create:
            self._create(desired, plan.fetch)
        elif plan.needs_stop:
            self._stop(name)
            self._configure(name, {key: pair[1] for key, pair in plan.properties.items()})
        if plan.needs_stop:
            for one in desired.mounts:
                make_inside(self.root(name), one.target)
            for one in plan.mounts:
                self._mount(name, one)
            self._start(desired)
        self._install(desired)

    def _create(self, desired: Desired, fetch: bool) -> None:
        if fetch:
            said = self._try("iocage", "fetch", "-r", desired.release)
            if desired.release not in self.releases():
                raise JailError(f"iocage fetch -r {desired.release}: {said}")
        words = [f"{name}={value}" for name, value in desired.properties.items()]
        said = self._try("iocage", "create", "-r", desired.release, "-n", desired.name, *words)
        if self.find(desired.name) is None:
            raise JailError(f"iocage create -n {desired.name}: {said}")
        self._stop(desired.name)  # boot=on starts it, before it has its mounts

    def _configure(self, name: str, properties: dict[str, str]) -> None:
        if not properties:
            return
        said = self._try("iocage", "set", *(f"{key}={value}" for key, value in properties.items()), name)
        actual = self._found(name).properties
        wrong = [key for key, value in properties.items() if canonical(actual.get(key, "")) != canonical(value)]
        if wrong:
            raise JailError(f"iocage set {wrong[0]}={properties[wrong[0]]} {name}: {said}")

    def _mount(self, name: str, mount: Mount) -> None:
        if not os.path.isdir(mount.source):
            raise JailError(f"{mount.source} is no directory of this host: mount the dataset, or name another")
        said = self._try("iocage", "fstab", "-a", name, mount.source, mount.target, "nullfs", "rw", "0", "0")
        if missing_mounts(Desired(name, "", mounts=[mount]), self._found(name).mounts):
            raise JailError(f"iocage fstab -a {name} {mount.source}: {said}")

    def _stop(self, name: str) -> None:
        if self._found(name).is_up:
            said = self._try("iocage", "stop", name)
            if self._found(name).is_up:
                raise JailError(f"iocage stop {name}: {said}")

    def _start(self, desired: Desired) -> None:
        """Start it; a mount that failed is a warning to iocage, and Borg would write into the jail's own files."""
        said = self._try("iocage", "start", desired.name)
        jail = self._found(desired.name)
        if not jail.is_up:
            raise JailError(f"iocage start {desired.name}: {said}")
        for one in desired.mounts:
            if (one.source, one.target) not in jail.live:
                self._stop(desired.name)
                raise JailError(f"{one.source} is not mounted in jail {desired.name}, which was stopped: {said}")

    def _install(self, desired: Desired) -> None:
        missing = [one for one in desired.packages if one not in (self._found(desired.name).packages or ())]
        if missing:
            inside = ["env", "ASSUME_ALWAYS_YES=yes", "pkg", "install", "--yes", *missing]
            said = self._try("iocage", "exec", desired.name, "--", *inside)
            if set(missing) - set(self._packages(desired.name)):
                raise JailError(f"pkg install {' '.join(missing)} in jail {desired.name}: {said}")

    def _found(self, name: str) -> Jail:
        found = self.find(name)
        if found is None:
            raise JailError(f"jail {name} is gone while it was worked on: run this again")
        return found

    def _read(self, *argv: str) -> str:
        code, out, err = self._run(argv)
        if code:
            raise JailError(f"{' '.join(argv[:4])}: {_words(err or out)}")
        return out

    def _try(self, *argv: str) -> str:
        """Run a command whose effect is looked at afterwards; return what it said, its complaints first."""
        _code, out, err = self._run(argv)
        return _words(f"{err}\n{out}")


def _words(text: str) -> str:
    return " ".join(text.split())[:300] or "it failed and said nothing"


def make_inside(root: str, target: str) -> None:
    """Make a directory of a jail that is stopped; JailError for a link, which its root may have left, and for files."""
    here = -1
    try:
        here = os.open(root, _STEP)
        for part in target.strip("/").split("/"):
            if part not in os.listdir(here):
                os.mkdir(part, 0o755, dir_fd=here)
            below = os.open(part, _STEP, dir_fd=here)
            os.close(here)
            here = below
        files = os.listdir(here)
    except OSError as error:
        raise JailError(f"{root}{target} cannot be a mount point ({error.strerror}): look what lies there") from None
    finally:
        if here >= 0:
            os.close(here)
    if files:
        raise JailError(f"{root}{target} holds files that the mount would hide: move them away, and run this again")
