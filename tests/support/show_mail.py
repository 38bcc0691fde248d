# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the newest mail of the lab, and fail when it is not about the run in which ``broken1`` alone failed."""

from __future__ import annotations

import sys
from email.message import EmailMessage

from lab import Lab


def show(mail: EmailMessage) -> None:
    """Print what a reader of mail would see, as text."""
    for header in ("From", "To", "Date", "Subject"):
        print(f"{header}: {mail[header]}")
    body = mail.get_body(("plain",))
    print("\n" + (body.get_content() if body else "(no text)"))


def main() -> None:
    """Show the mail, then judge the run's record."""
    lab = Lab.up()
    mails = lab.mails()
    if not mails:
        sys.exit("error: no mail arrived")
    show(mails[-1])
    print(f"The same as a page: {lab.record_path().with_name('report.html')}")
    failed = {client["name"] for client in lab.record()["clients"] if client["state"] != "ok"}
    if failed != {"broken1"}:
        sys.exit(f"error: only broken1 was to fail, but it was: {', '.join(sorted(failed)) or 'nobody'}")


if __name__ == "__main__":
    main()
