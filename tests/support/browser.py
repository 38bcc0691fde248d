# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium without a screen: what it shows of a page, and how long it takes. It reaches no network."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
FOUND = shutil.which("chromium")
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"


def browse(page: Path, *flags: str, seconds: int = 120) -> str:
    """Open a file; return what the browser prints."""
    with tempfile.TemporaryDirectory() as profile:
        command = [FOUND or "chromium", *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
        return done.stdout


def seconds_to_show(page: Path) -> float:
    """Return how long it takes from the begin of loading until a page is laid out, as the browser itself measured it.

    A copy of it gets a script that says so: the page's own policy would let none run.
    """
    content = page.read_text()
    content = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", content)
    done = "document.body.offsetHeight; document.title = 'shown ' + performance.now()"
    script = f"<script>addEventListener('load', () => {{ {done} }})</script></body>"
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "page.html"
        copy.write_text(content.replace("</body>", script))
        said = browse(copy, "--dump-dom", "--timeout=20000", "--window-size=1400,1000")
    found = re.search(r"<title>shown ([0-9.]+)", said)
    if found is None:
        raise RuntimeError("the page was not shown")
    return float(found[1]) / 1000
