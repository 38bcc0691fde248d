# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that people and programs get: page, status.json and metrics, each replaced in one step."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_server
from ansible_collections.paranoid.backup.plugins.module_utils._page.document import make_page
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import Fleet
from ansible_collections.paranoid.backup.plugins.module_utils._page.gathering import source
from ansible_collections.paranoid.backup.plugins.module_utils._page.metrics import make_metrics
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Nas
from ansible_collections.paranoid.backup.plugins.module_utils._page.status import make_status

PAGE, STATUS, METRICS = "index.html", "status.json", "paranoid_backup.prom"
# The page for the group that its directory has; the metrics for node_exporter, which is an account of its own.
_PAGE_MODE, _METRICS_MODE = 0o640, 0o644


class PageError(Exception):
    """The page cannot be written; the message is one line."""


def publish(
    config_dir: str, wanted: Iterable[str], nas: Sequence[Nas] | None, now: datetime, check: bool
) -> tuple[Fleet, list[str]]:
    """Write what is wanted on this server; return what is said there, and the paths. In check mode nothing is written.

    ``nas`` is what those under it told, None where none was asked.
    ConfigError, LedgerError or PageError, in one line, if that is not possible.
    """
    server = load_server(config_dir)
    files: list[tuple[str, bytes, int]] = []
    try:
        with source(config_dir, server, now) as facts:
            fleet = facts.fleet(nas)
            if server.page_dir:
                page = make_page(fleet, facts.year, wanted)
                files.append((os.path.join(server.page_dir, PAGE), page, _PAGE_MODE))
                files.append((os.path.join(server.page_dir, STATUS), make_status(fleet), _PAGE_MODE))
        if server.metrics_dir:
            files.append((os.path.join(server.metrics_dir, METRICS), make_metrics(fleet), _METRICS_MODE))
        for path, content, mode in files if not check else ():
            atomic_write(path, content, mode)
    except OSError as error:
        raise PageError(f"the page cannot be written: {error.filename or server.page_dir}: {error.strerror}") from None
    except sqlite3.Error as error:
        raise PageError(f"{server.state_dir}: what is known of days cannot be kept: {error}") from None
    return fleet, [path for path, _content, _mode in files]
