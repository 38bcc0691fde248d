# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small honest dispatcher: Borg through the tunnel, killed when the server goes. Argument: the client's directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

here = Path(sys.argv[1])
request = json.loads(sys.stdin.readline())
session, verb = request["session"], request["verb"]
gone = threading.Event()
running: list[subprocess.Popen[bytes]] = []
environment = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": str(here),
    "BORG_BASE_DIR": str(here / "borg"),
    "BORG_PASSPHRASE": "only for tests",
    "BORG_DISPLAY_PASSPHRASE": "no",
    "BORG_RSH": str(here / "relay"),
    "PARANOID_BACKUP_SOCKET": str(here / f"tunnel/{session}.sock"),
    "BORG_REPO": "ssh://server/./repository",
    "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
}


def say(record: dict[str, Any]) -> None:
    """Write one line of the answer."""
    print(json.dumps({"schema": 1, **record}), flush=True)


def watch() -> None:
    """End Borg when the server closes our standard input."""
    while os.read(0, 4096):
        pass
    gone.set()
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)


def borg(*words: str) -> tuple[int, str]:
    """Run one Borg command in a process group of its own; return its exit code and output."""
    argv = [(here / "borg_path").read_text().strip(), "--lock-wait", "5", *words]
    running.append(subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, start_new_session=True))
    output, _nothing = running[-1].communicate()
    return running[-1].returncode, output.decode()


def create() -> tuple[int, dict[str, Any]]:
    """Make the repository."""
    return borg("init", "--encryption", "repokey-blake2")[0], {}


def backup() -> tuple[int, dict[str, Any]]:
    """Write one archive of the source; a thief with the backup's key reads the oldest one first."""
    if (here / "thief").exists():
        borg("extract", "--dry-run", f"::{borg('list', '--short')[1].split()[0]}")
    code, output = borg("create", "--json", f"::web1-{session[:8]}", str(here / "source"))
    if code:
        return code, {}
    archive = json.loads(output)["archive"]
    return code, {
        "archive": {
            **{key: archive[key] for key in ("name", "id", "start", "end", "duration")},
            **archive["stats"],
        },
        "remarks": {},
    }


def info() -> tuple[int, dict[str, Any]]:
    """Tell about the repository."""
    code, output = borg("list", "--json", "--last", "1")
    if code:
        return code, {}
    content = json.loads(output)
    last = [{key: item[key] for key in ("name", "id", "start")} for item in content["archives"]]
    return code, {
        "info": {
            "repository_id": content["repository"]["id"],
            "encryption": content["encryption"]["mode"],
            "last_archive": last[0] if last else None,
        }
    }


def stay_open() -> tuple[int, dict[str, Any]]:
    """Try what the tunnel allows, write it down, and wait until the server closes."""
    if (here / "extract").exists():
        os.chdir(here / "extract")
        return borg("extract", f"::{borg('list', '--short')[1].split()[0]}")[0], {}
    reading, writing = borg("list")[0], borg("create", "::forbidden", str(here / "source"))[0]
    (here / "open.json").write_text(json.dumps({"list": reading, "create": writing}))
    gone.wait()
    return reading, {}


threading.Thread(target=watch, daemon=True).start()
say({"hello": session})
status, parts = {"create": create, "backup": backup, "info": info, "open": stay_open}[verb]()
print("dispatcher: done", file=sys.stderr, flush=True)
say(
    {
        "session": session,
        "verb": verb,
        "status": "failed" if status else "ok",
        "reason": f"borg ended with {status}" if status else "",
        "archive": None,
        "info": None,
        "maintain": None,
        "versions": {"borg": "1.4.5"},
        **parts,
    }
)
