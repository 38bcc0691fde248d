# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a standalone Borg, whole or not at all: it is verified and started before it takes its place.

Arguments: the file, its SHA-256, the directory to install to, and the wanted versions, as ``borgbackup==1.4.5``. The
file is an archive with Borg, borgmatic and their Python (the role backup_wheelhouse makes such ones), which becomes
the directory, or a program that is Borg, which becomes ``bin/borg`` in a directory that is there. Runs with the
host's Python.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

# Where its hash is noted, in the directory.
STAMP = "standalone"
PROGRAMS = {"borgbackup": "borg", "borgmatic": "borgmatic"}


class Unusable(Exception):
    """Why the file is not installed, in one line."""


def verify(file: Path, wanted: str) -> None:
    """Refuse a file that is not the one whose SHA-256 is WANTED."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != wanted:
        raise Unusable(f"its SHA-256 is {digest.hexdigest()}, not {wanted}: it is cut off or another one")


def is_program(file: Path) -> bool:
    """Whether the file is a program by itself (ELF), not an archive."""
    with file.open("rb") as handle:
        return handle.read(4) == b"\x7fELF"


def require_version(program: Path, name: str, version: str, **more: str) -> None:
    """Start PROGRAM, with MORE in its environment, and refuse it if it does not, or if it is of another version."""
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **more}
    try:
        done = subprocess.run([str(program), "--version"], capture_output=True, env=clean, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) else "it does not end"
        raise Unusable(f"its {name} does not start on this host: {why}") from error
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines() or [
        f"exit code {done.returncode}"
    ]
    if done.returncode:
        raise Unusable(f"its {name} does not start on this host: {said[-1][:300]}")
    found = done.stdout.decode("utf-8", "replace").split() or ["unknown"]
    if found[-1] != version:
        raise Unusable(f"it holds {name} {found[-1][:40]}, and {version} is wanted")


def tarfile_keeps_all(member: tarfile.TarInfo, _path: str) -> tarfile.TarInfo:
    """Return what `unpack` has looked at and changed as it wants it."""
    return member


def unpack(archive: Path, target: Path) -> None:
    """Unpack the archive as root's own files; Unusable if it is not whole, or leaves its directory."""
    try:
        with tarfile.open(archive) as opened:
            opened.extraction_filter = tarfile_keeps_all  # Newer Pythons warn of none, older ones do not look.
            for member in opened:
                if member.name.startswith("/") or ".." in Path(member.name).parts or member.isdev():
                    raise Unusable(f"it holds {member.name!r}, which does not belong into such an archive")
                member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
                member.mode &= 0o755
                opened.extract(member, target)
            # What is compressed carries its own checksum behind its end.
            while opened.fileobj and opened.fileobj.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise Unusable(f"it cannot be unpacked: {' '.join(str(error).split())[:300]}") from error
    target.chmod(0o755)


def install_archive(archive: Path, target: Path, stamp: str, versions: dict[str, str]) -> None:
    """Make the archive's content TARGET; what was there stays until the new one has started."""
    fresh, old = target.with_name(f"{target.name}.new"), target.with_name(f"{target.name}.old")
    for left_over in (fresh, old):
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        unpack(archive, fresh)
        for name, version in versions.items():
            require_version(fresh / "bin" / name, name, version)
        (fresh / STAMP).write_text(f"{stamp}\n")
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def own_place(target: Path) -> Path:
    """Make the directory into which such a program unpacks itself at each start: what is in /tmp may not run.

    The dispatcher (toolbox.py) and paranoid-backup-borg look for it by this name.
    """
    place = target / "tmp"
    place.mkdir(mode=0o700, exist_ok=True)
    place.chmod(0o700)
    return place


def install_program(program: Path, target: Path, stamp: str, version: str) -> None:
    """Make the program Borg in TARGET, which holds the rest."""
    fresh = target / "bin/.borg.new"
    try:
        fresh.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(program, fresh)
        fresh.chmod(0o755)
        require_version(fresh, "borg", version, TMPDIR=str(own_place(target)))
        fresh.replace(target / "bin/borg")
    finally:
        if fresh.exists():
            fresh.unlink()
    (target / STAMP).write_text(f"{stamp}\n")


def main(name: str, sha256: str, directory: str, *requirements: str) -> None:
    """Install the file, or say in one line why not."""
    os.umask(0o022)
    file, target = Path(name), Path(directory)
    versions = {
        PROGRAMS[package]: version
        for package, _equals, version in (one.partition("==") for one in requirements)
        if package in PROGRAMS
    }
    try:
        verify(file, sha256)
        if is_program(file):
            install_program(file, target, sha256, versions["borg"])
        else:
            install_archive(file, target, sha256, versions)
    except Unusable as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or directory}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
