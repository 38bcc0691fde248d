# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules around ``_upkeep/guarded.py`` share: common options, and how they report a failure to Ansible."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import upkeep

# plugins/doc_fragments/upkeep.py documents these.
_COMMON: dict[str, dict[str, Any]] = {
    "client": {"type": "str", "required": True},
    "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
}
# What a person writes and the ledger keeps.
WHY_AND_WHO = ("reason", "by")


def spec(own: Mapping[str, Any], words: Sequence[str] = ()) -> dict[str, Any]:
    """Return a module's options: the common ones, its own, and the words that `require_words` asks for."""
    return {**_COMMON, **own, **{name: {"type": "str", "required": True} for name in words}}


def require_words(module: Any, words: Sequence[str], why: str) -> None:
    """Fail with ``why`` if one of these options is blank."""
    blank = [name for name in words if not module.params[name].strip()]
    if blank:
        module.fail_json(msg=f"{why}: {' and '.join(blank)} must not be empty")


class Stopwatch:
    """Measures when a task began and ended, by the server's clock, and how long it took."""

    def __init__(self) -> None:
        self._began, self._start = stamp(), time.monotonic()

    def to_dict(self) -> dict[str, Any]:
        """Return the times of a task that ends now, with the keys of a session's result."""
        return {
            "began": self._began,
            "ended": stamp(),
            "duration": round(time.monotonic() - self._start, 3),
        }


@contextmanager
def at_work(module: Any, purpose: str, watch: Stopwatch | None = None, recover_first: bool = True) -> Iterator[Site]:
    """Hold the lock of the module's client; a failure meanwhile fails the task, with its code."""
    try:
        options = (module.params["config_dir"], module.params["client"], purpose, recover_first, module.check_mode)
        with ExitStack() as held:
            yield held.enter_context(upkeep(*options))
    except SessionError as error:
        alarm = {"alarm": error.alarm.to_dict()} if error.alarm else {}
        module.fail_json(msg=error.reason, code=error.code, **alarm, **(watch.to_dict() if watch else {}))
