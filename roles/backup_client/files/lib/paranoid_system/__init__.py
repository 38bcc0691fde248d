# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this system is: packages, accounts, services, file systems. The dispatcher saves it, a rebuild compares it.

Plain Python 3.9 with the standard library. Nothing here writes but `description.save`.
"""
