# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one notice: a program of its own, which can be ended when a place does not answer.

It reads one JSON object from standard input, so that no URL is in a command line, and says what went wrong in one line
without it. A webhook gets {"kind", "url", "body", "headers", "ca_file", "seconds"}, Apprise {"kind", "url", "title",
"body"}.
"""

from __future__ import annotations

import json
import logging
import os
import ssl
import sys
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: a notice goes where it was meant to, or nowhere."""

    def redirect_request(self, *_told: Any) -> None:
        return None


def send_webhook(told: dict[str, Any]) -> str:
    """Post a body; return what went wrong, or an empty string."""
    context = ssl.create_default_context(cafile=told["ca_file"] or None)
    request = Request(told["url"], told["body"].encode(), told["headers"], method="POST")
    try:
        with build_opener(_Stay, HTTPSHandler(context=context)).open(request, timeout=told["seconds"]) as answer:
            answer.read(1024)
            return "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except HTTPError as error:
        return f"it answered {error.code}"
    except (URLError, OSError, HTTPException, ValueError) as error:
        return _explain(getattr(error, "reason", error))


def send_apprise(told: dict[str, Any]) -> str:
    """Have Apprise send it; return what went wrong, or an empty string. Apprise itself says no more than that."""
    import apprise

    asset = apprise.AppriseAsset(async_mode=False, interpret_escapes=False, interpret_emojis=False)
    places = apprise.Apprise(asset=asset)
    if not places.add(told["url"]):
        return "Apprise does not know this kind of URL"
    return "" if places.notify(told["body"], title=told["title"], body_format="text") else "Apprise could not send it"


def _explain(error: object) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return "TLS failed"
        case TimeoutError():
            return "no answer in time"
        case OSError() if error.errno:
            return os.strerror(error.errno) if error.errno > 0 else "its name cannot be resolved"
        case _:
            return type(error).__name__


def main() -> int:
    """Return 0 when it was taken, else 1 with one line on standard error."""
    logging.disable()  # A library that logs a URL would log a secret.
    told = json.load(sys.stdin)
    try:
        problem = send_webhook(told) if told["kind"] == "webhook" else send_apprise(told)
    except Exception as error:  # The words of a library may have the URL in them.
        problem = f"it failed with {type(error).__name__}"
    sys.stderr.write(f"{problem}\n" if problem else "")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
