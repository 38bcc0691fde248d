# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One session, from the request to the answer."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from paranoid_dispatcher.config import Config
from paranoid_dispatcher.errors import Failed, Refused
from paranoid_dispatcher.host import only_one, remove_stale_sockets, versions
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.request import parse_request, read_request
from paranoid_dispatcher.session import Session
from paranoid_dispatcher.verbs import VERBS
from paranoid_dispatcher.work import Work

CONFIG = Path("/etc/paranoid-backup/client.json")
REASON_MAX = 500

Record = dict[str, Any]


def main(path: Path = CONFIG) -> int:
    """Serve one session; return 0 when its result was given, 2 when the request was refused."""
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        config = Config.load(path)
        request = parse_request(read_request(0))
        config = config.as_keyholder(request.client) if request.client else config
    except Refused as exc:
        sys.stderr.write(f"dispatch: {printable(str(exc), REASON_MAX)}\n")
        return 2
    session = Session(config.deadline)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, session.on_signal)
    answer({"schema": 1, "hello": request.session})
    answer({**perform(Work(config, request, session)), "versions": versions(config)})
    return 0


def perform(work: Work) -> Record:
    """Do the verb's work and return the result; every failure is a result, too."""
    result: Record = {"status": "ok", "reason": "", "archive": None, "info": None, "maintain": None}
    try:
        with only_one(Path(work.config.base_dir)):
            remove_stale_sockets(Path(work.config.remote_dir))
            try:
                result.update(VERBS[work.request.verb](work))
            finally:
                work.socket.unlink(missing_ok=True)
    except Failed as exc:
        result.update(status="failed", reason=printable(str(exc), REASON_MAX))
    except (OSError, KeyError, TypeError, ValueError) as exc:
        reason = f"the dispatcher could not do its work: {exc!r}"
        result.update(status="failed", reason=printable(reason, REASON_MAX))
    return {"schema": 1, "session": work.request.session, "verb": work.request.verb, **result}


def answer(record: Record, descriptor: int = 1) -> None:
    """Write one line, all of it: a signal or a full pipe may cut a write short. A server that is gone hears nothing."""
    left = encode(record)
    with contextlib.suppress(OSError):
        while left:
            select.select([], [descriptor], [])
            left = left[os.write(descriptor, left) :]


def encode(record: Record) -> bytes:
    """Return RECORD as one line, as short as can be: the server stops reading at 256 KiB."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
