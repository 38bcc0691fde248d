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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paranoid_dispatcher.config import Config
from paranoid_dispatcher.errors import Failed, Refused
from paranoid_dispatcher.host import host_lock, remove_stale_sockets, remove_unpacked, versions
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.owner import look_at_owner
from paranoid_dispatcher.request import parse_request, read_request
from paranoid_dispatcher.server_link import ServerLink
from paranoid_dispatcher.toolbox import Toolbox
from paranoid_dispatcher.verbs import VERBS

CONFIG = Path("/etc/paranoid-backup/client.json")
REASON_MAX = 500
_TOLD = ("archive", "info", "maintain", "remarks", "sources", "owner")  # null where a verb has nothing to tell
TELLING = ("backup", "maintain")  # the verbs whose results people read
ANSWER_MAX = 250 * 1024  # bytes; the server reads 256 KiB, hello and versions included
LINES_MAX, LINE_MAX = 10, 200  # of one kind of remarks

Record = dict[str, Any]


def main(path: Path = CONFIG) -> int:
    """Serve one session; return 0 after its result, 2 if the request was refused.

    A server that is gone is an error of `os.write`: Python itself ignores SIGPIPE.
    """
    os.umask(0o077)
    try:
        config = Config.load(path)
        request = parse_request(read_request(0))
        config = config.as_keyholder(request.client) if request.client else config
    except Refused as exc:
        sys.stderr.write(f"dispatch: {printable(str(exc), REASON_MAX)}\n")
        return 2
    os.nice(config.nice)
    link = ServerLink(config.deadline)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, link.on_signal)
    write_answer({"schema": 1, "hello": request.session})
    write_answer({**perform(Toolbox(config, request, link)), "versions": versions(config)})
    return 0


def perform(tools: Toolbox) -> Record:
    """Do the verb's work and return the result; a failure is a result, too."""
    result: Record = {"status": "ok", "reason": "", **dict.fromkeys(_TOLD)}
    with (
        reporting_failures(result),
        host_lock(Path(tools.config.base_dir), tools.link, tools.request.verb) as tools.note,
    ):
        remove_stale_sockets(Path(tools.config.remote_dir))
        remove_unpacked(tools.config.borg)
        tools.owner = look_at_owner(tools.config.owner_dir, Path(tools.config.base_dir))
        try:
            with reporting_failures(result):
                result.update(VERBS[tools.request.verb](tools))
        finally:
            tools.socket.unlink(missing_ok=True)
        tell_of_hooks(tools, result)
        result["owner"] = tools.owner.told
    answer = {"schema": 1, "session": tools.request.session, "verb": tools.request.verb, **result}
    return answer if len(encode(answer)) < ANSWER_MAX else {**answer, "owner": tools.owner.told_briefly}


@contextlib.contextmanager
def reporting_failures(result: Record) -> Iterator[None]:
    """Make a failure the result."""
    try:
        yield
    except Failed as exc:
        result.update(exc.told, status="failed", reason=printable(str(exc), REASON_MAX))
    except OSError as exc:
        what = f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc.strerror or exc)
        result.update(status="failed", reason=printable(f"the dispatcher could not do its work: {what}", REASON_MAX))
    except (KeyError, TypeError, ValueError) as exc:
        reason = f"the dispatcher could not do its work: {exc!r}"
        result.update(status="failed", reason=printable(reason, REASON_MAX))


def tell_of_hooks(tools: Toolbox, result: Record) -> None:
    """Put into RESULT what no server has heard of hooks; forget it if the server is still there, and shows it."""
    untold = tools.journal.untold
    if not untold or tools.request.verb not in TELLING:
        return
    if tools.request.verb == "backup" and result["status"] == "ok" and result["remarks"] is None:
        return  # The server takes no backup whose warnings nobody told; hooks must not stand for them.
    told = {"count": len(untold), "accepted": 0, "paths": [printable(line, LINE_MAX) for line in untold[-LINES_MAX:]]}
    result["remarks"] = {**(result["remarks"] or {}), "hooks": told}
    if not tools.link.stop_reason:
        tools.journal.forget()


def write_answer(record: Record, descriptor: int = 1) -> None:
    """Write one whole line, though a signal or a full pipe may cut a write short; a server that is gone is no error."""
    left = encode(record)
    with contextlib.suppress(OSError):
        while left:
            select.select([], [descriptor], [])
            left = left[os.write(descriptor, left) :]


def encode(record: Record) -> bytes:
    """Return RECORD as one line, as short as possible: the server stops reading at 256 KiB."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
