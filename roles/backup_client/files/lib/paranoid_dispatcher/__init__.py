# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatcher: all that the backup server can start on this host, one fixed verb per session.

sshd's forced command starts it through sudo, as root and without arguments. docs/architecture.md, "A session",
describes request, answer and their limits. Start reading in `main`.
"""
