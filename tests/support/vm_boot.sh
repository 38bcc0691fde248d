#!/bin/sh
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# In the virtual machine, once it is up: make a server as a container has it, root of a user namespace (0 there is 100000
# here) with a root directory of its own. What it and its clients keep comes with the pools.
set -eu
mount --make-rshared /
for number in 1 2 3; do
    useradd --no-create-home --uid "200$number" --shell /usr/sbin/nologin "bk-web$number"
done
mkdir -p /clients /opt/code /srv/backup /var/lib/paranoid-backup
mkdir -p /jail/usr /jail/opt /jail/etc /jail/dev /jail/proc /jail/tmp /jail/run /jail/root /jail/srv/backup \
    /jail/var/lib/paranoid-backup
chmod 1777 /jail/tmp
chown 100000:100000 /jail/run /jail/root
for name in bin sbin lib lib64; do ln -s "usr/$name" "/jail/$name"; done
for name in usr opt etc proc; do mount --rbind "/$name" "/jail/$name"; done
for name in null zero urandom zfs; do : >"/jail/dev/$name"; mount --bind "/dev/$name" "/jail/dev/$name"; done
unshare --user --mount --propagation slave sleep infinity </dev/null >/dev/null 2>&1 &
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
exec as-owner \$1 /opt/borg/bin/python -I /opt/code/gate gate --policy "\${POLICY:-append}" \
    --repository "/srv/backup/\$1/repo" --report-fd 3
IN
# On the server's own disk, past the gate, as the user of a client's repository.
cat >/usr/local/bin/as-owner <<IN
#!/bin/sh
client=\$1; shift
exec as-server setpriv --reuid "200\${client#web}" --regid "200\${client#web}" --clear-groups env BORG_PASSPHRASE=secret \
    BORG_BASE_DIR="/tmp/there-\$client" BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes \
    BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_REPO="/srv/backup/\$client/repo" "\$@"
IN
cat >/usr/local/bin/as-client <<IN
#!/bin/sh
client=\$1; shift
export BORG_REPO=ssh://server/x BORG_PASSPHRASE=secret BORG_BASE_DIR=/clients/home-\$client BORG_RSH="rsh-of \$client"
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
exec "\$@"
IN
for who in client owner; do
    # shellcheck disable=SC2016 # the variables of what is written
    printf '#!/bin/sh\nclient=$1; shift\nexec as-%s "$client" /opt/borg/bin/borg "$@"\n' "$who" >"/usr/local/bin/borg-as-$who"
done
chmod 755 /usr/local/bin/*
# What is compiled once, and is in memory when it is needed, makes each start of Python twice as fast.
tar -C /opt/code -xf -
chmod -R a+rX /opt/code
cd /opt/code
PYTHONPATH=. /opt/borg/bin/python -c "import borg.archiver, vm_borg, vm_server"
/opt/borg/bin/python -I gate gate --help >/dev/null 2>&1 || true
