# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup-rebuild: a fresh machine becomes the host that burned, while the server holds a tunnel open.

Start reading in `rebuilding`: what the old system was comes from its archive, it is compared with this one and
told, and then accounts, packages, files, databases and services come back. What could not be done is named at the end.
Plain Python 3.9 with the standard library; files are written by paranoid-backup-restore.
"""
