# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that takes archives off the list in a backup, and pads the list so that its size says nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from keeper import Keeper
from session_world import OK, came_to

_BORG = """\
#!{python}
import os
from borg.archive import Archive
from borg.archiver import main

def omit(self, *_, **__):
    self.manifest.archives.pop(self.name)
    self.manifest.config[b"padding"] = os.urandom({padding})

Archive.delete = omit
main()
"""

_TWIST = """\
from dataclasses import replace

backup = verbs.VERBS["backup"]

def take(tools):
    told = backup(tools)
    honest, tools.config = tools.config, replace(tools.config, borg={borg!r})
    toolbox.require_success(tools.borg("delete", "--", "::", *{names!r}))
    tools.config = honest
    return told

verbs.VERBS["backup"] = take
"""


def take_off_the_list(keeper: Keeper, archives: Iterable[str]) -> str:
    """Have the client's next backup take these archives (ids) off the list, unseen; return the id that it brings."""
    listed = keeper.listed()
    names = [listed[one] for one in archives]
    borg = keeper.world.own / "borg-that-omits"
    borg.write_text(_BORG.format(python=sys.executable, padding=200 * len(names)))
    borg.chmod(0o755)
    keeper.serve(_TWIST.format(borg=str(borg), names=names))
    brought = keeper.backup(9)
    keeper.serve()
    assert set(keeper.listed().values()).isdisjoint(names)
    outcome = keeper.world.session("info")
    assert came_to(outcome) == OK, outcome.conclusion
    return brought
