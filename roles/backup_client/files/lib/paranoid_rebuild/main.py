# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup-rebuild, as a person types it."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paranoid_rebuild.errors import RebuildError, printable
from paranoid_rebuild.rebuilding import rebuild

CONFIG = Path("/etc/paranoid-backup/client.json")
EXIT_USAGE = 2


def main(argv: list[str], path: Path = CONFIG) -> int:
    """Return 0 when all is back, 1 when something is not, 2 when nothing was begun."""
    options = make_parser().parse_args(argv)
    os.umask(0o022)
    try:
        config = load_config(path)
        with only_one(Path(config["base_dir"])):
            return rebuild(config, options.archive, options.check)
    except RebuildError as error:
        sys.stderr.write(f"paranoid-backup-rebuild: {printable(str(error))}\n")
    except KeyboardInterrupt:
        sys.stderr.write("\nparanoid-backup-rebuild: stopped; the same command goes on\n")
    return EXIT_USAGE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser("paranoid-backup-rebuild", description="Make this machine the host that burned.")
    parser.add_argument("--archive", default="", metavar="NAME", help="from this archive instead of the newest")
    parser.add_argument("--check", action="store_true", help="compare both systems and tell, and change nothing")
    return parser


def load_config(path: Path) -> dict[str, Any]:
    """Return this host's configuration, which only root can read."""
    try:
        found = json.loads(path.read_bytes())
        names = ("base_dir", "borg", "config", "runtime_dir")
        listed = {"rebuild_leave_out": [str(one) for one in found["rebuild_leave_out"]]}
        return {**{name: str(found[name]) for name in names}, **listed}
    except PermissionError:
        raise RebuildError("only root may rebuild: use sudo") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise RebuildError(f"{path} cannot be read: provision this host with site.yml first") from None


@contextmanager
def only_one(base_dir: Path) -> Iterator[None]:
    """Hold the lock of rebuilds."""
    try:
        descriptor = os.open(base_dir / "rebuild.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RebuildError(f"{base_dir}: {error.strerror}; only root may rebuild, on a provisioned host") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RebuildError("another rebuild is at work on this host: wait for it") from None
    finally:
        os.close(descriptor)
