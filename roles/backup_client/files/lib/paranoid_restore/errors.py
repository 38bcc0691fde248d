# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error that the person at the keyboard can do something about."""

from __future__ import annotations


class RestoreError(Exception):
    """The message is one line: what is wrong, and what to do."""
