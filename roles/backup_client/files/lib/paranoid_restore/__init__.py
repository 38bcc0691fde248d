# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup-restore: files come back, written by this host's own root, while the server holds a tunnel open.

Start reading in `main`: choose an archive, plan what is to be written, write it, and keep what was there until a person
is content.
"""
