# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch: from another machine it asks a server what it saw, and believes only what it can prove.

It shares nothing with a run but the rules of schedules, which are pure (tests/quality/test_imports.py). Whatever a
server says is hostile: `document` checks it, `chain` proves its entries, `folding` makes of them what is known of each
client, `checks` judges, and none of these has a clock, a file or a network.
"""
