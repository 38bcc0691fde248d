#!/bin/sh
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# In the virtual machine, each time that it goes on from its kept state: import the pool, and give the server what is its.
set -eu
zpool list tank >/dev/null 2>&1 || zpool import -f -d /dev/vdb1 -d /dev/vdc1 tank
zfs list tank/clients >/dev/null 2>&1 || zfs create -o mountpoint=/clients tank/clients
zfs list tank/secret >/dev/null 2>&1 || zfs create -o mountpoint=/secret tank/secret
zfs list tank/state >/dev/null 2>&1 || zfs create -o mountpoint=/var/lib/paranoid-backup tank/state
[ -e /secret/file ] || echo unseen >/secret/file
chown -h 100000:100000 /srv/backup /srv/backup/* /var/lib/paranoid-backup
mount --rbind /srv/backup /jail/srv/backup
mount --bind /var/lib/paranoid-backup /jail/var/lib/paranoid-backup
