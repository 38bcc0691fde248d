# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients whose every text was chosen by somebody who wants the page, or whoever reads it, to do something else."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day, Restore, Total
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import (
    ClientFacts,
    Disk,
    Escrow,
    Fleet,
    Health,
    Trouble,
)
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Nas, Place, Pool
from page_world import NOW

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=document.title='owned'>",
    '" autofocus onfocus="document.title=1" x="',
    "' onmouseover='x",
    "</style><style>*{display:none}</style>",
    "</title></head><body><h1>fine</h1>",
    "</table></main><!-- ",
    "]]><svg onload=document.title='owned'>",
    "<a href=javascript:alert(1)>good</a>",
    "&lt;b&gt; &#x3c;script&#x3e; &amp",
    "\x1b[2J\x1b]0;owned\x07",
    "web1\u202emoc.elpmaxe\u202c",
    "we\u200bb1\ufeff",
    "line\nline\r\nline\u2028line\x0b\x85",
    "\x00\x08\ud800",
    'a="b\\" {client="other"} 1\nparanoid_backup_good{client="x"} 1',
    "=HYPERLINK(1)",
    "x" * 1_000_000,
    "<b>" * 400_000,
)


def fill(one: ClientFacts, text: str) -> ClientFacts:
    """Return a client with this text wherever one has text."""
    return replace(one, name=text, reason=text, last_status=text, last_code=text, notes=(text, text))


def make_hostile_fleet() -> Fleet:
    """Return a fleet with each of these texts in every place that takes one."""
    today = NOW.date().toordinal()
    days = tuple(Day(today - 5 + place, state, 1, 1.5, 2**62, 2**61) for place, state in enumerate((3, 1, 2, 2, 1, 3)))
    tried = (Restore(1, 0.0), Restore(today, 1e9))
    one = ClientFacts(
        "", Health.LATE, "", NOW, NOW, "", "", 2**63, 2**63, 1e9, 2**63, Disk(2**63, 2**63, 1), days, tried
    )
    one = replace(one, escrow=Escrow("kept", NOW, NOW), place=Place(NOW, NOW))
    clients = tuple(
        replace(fill(one, text), health=list(Health)[place % len(Health)]) for place, text in enumerate(HOSTILE)
    )
    totals = tuple(Total(today - back, 2**40, back, 2**62) for back in range(9, -1, -1))
    troubles = tuple(Trouble(text, (text, text)) for text in HOSTILE)
    nas = tuple(Nas(text, (text,), (text,), NOW, NOW, NOW, (Pool(text, 42, 9.5),)) for text in HOSTILE)
    return Fleet(HOSTILE[0] + HOSTILE[2], NOW, HOSTILE[1], clients, totals, troubles, nas)
