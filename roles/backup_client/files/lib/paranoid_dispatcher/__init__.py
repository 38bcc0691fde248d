# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatcher: all that the backup server can start on this host, one fixed verb per session.

Started by sshd's forced command through sudo, as root, without arguments. Request, answer and their limits are those
of docs/architecture.md, "A session". Begin to read in `main`.
"""
