# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell somebody elsewhere that all is well, by fetching a URL: when that stays away, they know."""

from __future__ import annotations

import os
import stat
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

SECONDS = 20
_LONGEST = 2048


class HeartbeatError(Exception):
    """It was not sent; the message is one line and holds nothing of the URL, which may be a secret."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The URL goes to whom it was given for, and to nobody else."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """Follow none."""


def send_heartbeat(path: Path, fetch: Callable[..., Any] | None = None) -> None:
    """Fetch the URL in a file (mode 0600); HeartbeatError if it could not be."""
    url = read_url(path)
    try:
        with (fetch or urllib.request.build_opener(_NoRedirect).open)(url, timeout=SECONDS) as answer:
            answer.read(1024)
    except (OSError, ValueError, HTTPException) as error:
        code = getattr(error, "code", None)
        raise HeartbeatError(f"no heartbeat was sent: {f'status {code}' if code else type(error).__name__}") from None


def read_url(path: Path) -> str:
    """Return the URL; HeartbeatError where others may read it, or it is not https."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            url = file.read(_LONGEST).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise HeartbeatError(f"{path} cannot be read: {type(error).__name__}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise HeartbeatError(f"{path} can be read by others: chmod 600")
    if not url.startswith("https://") or any(char.isspace() for char in url):
        raise HeartbeatError(f"{path} holds no https URL")
    return url
