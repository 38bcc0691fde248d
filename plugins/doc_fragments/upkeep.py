# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common options of the modules that work on a client's repository outside a session."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that ``module_utils/_upkeep/module.py`` adds to each of them."""

    DOCUMENTATION = r"""
options:
  client:
    description: Name of the client, as it was provisioned.
    type: str
    required: true
  config_dir:
    description: Directory of the server's configuration. The default is V(/usr/local/etc/paranoid-backup) on FreeBSD.
    type: path
    default: /etc/paranoid-backup
attributes:
  diff_mode:
    support: none
    description: There is no text that would change.
"""
