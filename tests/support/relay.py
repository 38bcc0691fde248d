# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay that Borg starts instead of ssh, as the role writes it."""

from __future__ import annotations

import re
from pathlib import Path

from tool import ROOT

_TEMPLATE = ROOT / "roles/backup_client/templates/relay.j2"
_CHOICE = re.compile(r"{% if backup_client_transport == 'ssh' %}\n.*?{% else %}\n(.*?){% endif %}\n", re.DOTALL)


def install_relay(folder: Path) -> Path:
    """Write the relay of the transport `socket`; it takes the socket's path from PARANOID_BACKUP_SOCKET.

    A shorter one of the tests' own would lose what the role's does not: why a connection failed. The oldest Python
    has no Jinja2, and little of it is used there.
    """
    text = _CHOICE.sub(r"\1", _TEMPLATE.read_text()).replace("{{ ansible_managed | comment }}", "#")
    assert "socat" in text and not re.search("{[{%]", text)
    path = folder / "relay"
    path.write_text(text)
    path.chmod(0o755)
    return path
