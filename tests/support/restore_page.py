# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of docs/restore.md, as a person would type them."""

from __future__ import annotations

import re
import shlex

from tool import ROOT

OURS = "paranoid-backup-restore"
_START = r"(?:paranoid-backup|ansible-playbook|mkdir|umount)\S* "


def read_commands(section: str = "") -> list[str]:
    """Return all commands of a section, or of the page, in their order: of code blocks, text and tables."""
    text = (ROOT / "docs/restore.md").read_text()
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = []
    for block, inline in re.findall(r"```\n(.*?)```|`([^`\n]+)`", text, re.DOTALL):
        lines = block.splitlines() if block else [inline]
        found += [line.partition("  #")[0].strip() for line in lines if re.match(_START, line.strip())]
    return list(dict.fromkeys(found))


def read_words(section: str) -> list[list[str]]:
    """Return the words of each command of ours in a section, without the command itself."""
    return [shlex.split(line)[1:] for line in read_commands(section) if line.startswith(f"{OURS} ")]
