# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the pictures of docs/images: the page of an invented server, and the mail of an invented run, in Chromium."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_server
from ansible_collections.paranoid.backup.plugins.module_utils._page.document import make_page
from ansible_collections.paranoid.backup.plugins.module_utils._page.gathering import source
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Mail, MailState, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import make_page as make_report
from browser import DARK, FOUND, LIGHT, browse
from page_world import HOSTS, NOW, make_server
from report_samples import session
from tool import ROOT

READ_FRAMES = "--allow-file-access-from-files"
IMAGES = ROOT / "docs/images"
LARGEST = 300_000  # bytes of a picture
REFUSED = "database app: pg_dump: connection refused"


def draw_page(directory: Path) -> Path:
    """Return the page of a server; it says that it is of now, else it would call itself old."""
    hosts = tuple(replace(host, escrow="") if host.name == "shop-staging" else host for host in HOSTS)
    config = make_server(directory, hosts)
    nas = (
        Nas("nas1", told=("nas1: snapshot 4 h 30 min ago, copy 1 d 02 h ago, scrub 12 d 00 h ago, tank 42 % full",)),
    )
    with source(str(config), load_server(str(config)), NOW) as facts:
        content = make_page(replace(facts.fleet(nas), server="vault"), facts.year).decode()
    content = content.replace(NOW.isoformat(timespec="seconds"), datetime.now(UTC).isoformat(timespec="seconds"))
    path = directory / "page.html"
    path.write_text(content)
    return path


def draw_mail(directory: Path) -> Path:
    """Return the HTML part of a mail about a run in which one client failed."""
    failed = session(code="client_failed", reason=REFUSED, archive=None, log="/var/log/paranoid-backup/db2/1.log")
    good = [Client(host.name, State.OK, session()) for host in HOSTS if host.name not in ("db2", "new1")]
    run = Run(
        "20261126T010000Z-1a2b3c4d",
        "Acme backup",
        "vault",
        "root",
        "backup.yml",
        False,
        "2026-11-26T01:00:00Z",
        "2026-11-26T01:41:20Z",
        Mail(MailState.PENDING),
        (Client("db2", State.FAILED, failed), *good),
    )
    path = directory / "mail.html"
    path.write_text(render_html(make_report(run, "/var/lib/paranoid-backup-runner/reports/…/record.json")))
    return path


def take(page: Path, path: Path, size: str, theme: str) -> None:
    """Take one picture."""
    browse(page, f"--screenshot={path}", f"--window-size={size}", theme)


def shoot(page: Path, name: str, size: str, theme: str) -> None:
    """Take one picture for the documents, which must not be large."""
    path = IMAGES / f"{name}.png"
    take(page, path, size, theme)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes: at most {LARGEST}")


def frame(pages: Sequence[Path], widths: Sequence[int], height: int = 2400) -> Path:
    """Return a page that shows others beside each other, each as wide as these: a window is never below 500 pixels.

    Its title says by how many pixels each is too wide, if the browser is told `READ_FRAMES`.
    """
    path = pages[0].with_name(f"frames-{pages[0].name}")
    places = [(page, width) for page in pages for width in widths]
    frames = (
        f'<iframe src="{page.name}" style="border:0;flex:none;width:{width}px;height:{height}px"></iframe>'
        for page, width in places
    )
    path.write_text(
        f'<body style="margin:0;display:flex;gap:20px;background:#888">{"".join(frames)}'
        "<script>addEventListener('load', () => { document.title = [...document.querySelectorAll('iframe')]"
        ".map((one) => one.contentDocument.documentElement)"
        ".map((root) => root.scrollWidth - root.clientWidth).join(' '); })</script>"
    )
    return path


def find_overflows(pages: Sequence[Path], widths: Sequence[int]) -> list[int]:
    """Return by how many pixels each page is wider than each width."""
    said = browse(frame(pages, widths), READ_FRAMES, "--dump-dom", "--window-size=1400,1000")
    found = re.search(r"<title>([0-9 ]+)</title>", said)
    if found is None:
        raise RuntimeError("the pages were not shown")
    return [int(number) for number in found[1].split()]


def main() -> None:
    """Take all pictures."""
    if FOUND is None:
        sys.exit("error: chromium is not installed: apt-get install --no-install-recommends chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        page, mail = draw_page(Path(directory)), draw_mail(Path(directory))
        shoot(page, "page", "1400,1700", LIGHT)
        shoot(page, "page-dark", "1400,1700", DARK)
        shoot(frame([page], [380]), "page-phone", "500,1400", LIGHT)
        shoot(mail, "mail", "900,1000", LIGHT)


if __name__ == "__main__":
    main()
