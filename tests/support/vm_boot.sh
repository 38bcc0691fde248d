#!/bin/sh
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# In the virtual machine, after each boot: its disk forgets what was written, its pools do not. It makes a server as a
# container has it: root of a user namespace (0 there is 100000 here), a root directory of its own, and the datasets.
set -eu
mount --make-rshared /
zpool list tank >/dev/null 2>&1 || zpool import -f -a -d /dev 2>/dev/null || true
zfs list tank/code >/dev/null 2>&1 || zfs create -o mountpoint=/opt/code tank/code
zfs list tank/secret >/dev/null 2>&1 || zfs create -o mountpoint=/secret tank/secret
zfs list tank/state >/dev/null 2>&1 || zfs create -o mountpoint=/var/lib/paranoid-backup tank/state
echo unseen >/secret/file
for number in 1 2; do
    useradd --no-create-home --uid "200$number" --shell /usr/sbin/nologin "bk-web$number"
done
chown -h 100000:100000 /srv/backup /srv/backup/* /var/lib/paranoid-backup 2>/dev/null || true
mkdir -p /jail/usr /jail/opt /jail/etc /jail/dev /jail/proc /jail/tmp /jail/run /jail/root /jail/srv/backup \
    /jail/var/lib/paranoid-backup
chmod 1777 /jail/tmp
chown 100000:100000 /jail/run /jail/root
for name in bin sbin lib lib64; do [ -e "/jail/$name" ] || ln -s "usr/$name" "/jail/$name"; done
for name in usr opt etc proc; do mount --rbind "/$name" "/jail/$name"; done
for name in null zero urandom zfs; do : >"/jail/dev/$name"; mount --bind "/dev/$name" "/jail/dev/$name"; done
mount --rbind /srv/backup /jail/srv/backup
mount --bind /var/lib/paranoid-backup /jail/var/lib/paranoid-backup
unshare --user --mount --propagation slave sleep 100000 </dev/null >/dev/null 2>&1 &
server=$!
until [ "$(readlink /proc/$server/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.1; done
echo "0 100000 65536" >/proc/$server/uid_map
echo "0 100000 65536" >/proc/$server/gid_map
cat >/usr/local/bin/as-server <<IN
#!/bin/sh
exec nsenter --user --mount --target $server --setuid 0 --setgid 0 chroot /jail "\$@"
IN
# What Borg of a client takes for ssh: the gate of its own repository, under the policy in POLICY.
cat >/usr/local/bin/rsh-of <<IN
#!/bin/sh
exec 3>>/tmp/report-\$1
exec as-server setpriv --reuid "200\${1#web}" --regid "200\${1#web}" --clear-groups \
    /opt/borg/bin/python -I /opt/code/gate gate --policy "\${POLICY:-append}" --repository "/srv/backup/\$1/repo" --report-fd 3
IN
cat >/usr/local/bin/borg-of <<IN
#!/bin/sh
client=\$1; shift
export BORG_REPO=ssh://server/x BORG_PASSPHRASE=secret BORG_BASE_DIR=/opt/code/home-\$client BORG_RSH="rsh-of \$client"
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
exec /opt/borg/bin/borg "\$@"
IN
# Borg on the server's own disk, past the gate, as the repository's user.
cat >/usr/local/bin/borg-there <<IN
#!/bin/sh
client=\$1; shift
exec as-server setpriv --reuid "200\${client#web}" --regid "200\${client#web}" --clear-groups env \
    BORG_BASE_DIR="/tmp/there-\$client" BORG_PASSPHRASE=secret BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes \
    BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_REPO="/srv/backup/\$client/repo" /opt/borg/bin/borg "\$@"
IN
chmod 755 /usr/local/bin/*
