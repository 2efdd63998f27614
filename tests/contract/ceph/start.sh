#!/bin/sh
# Makes the cluster anew and becomes the gateway. The keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
set -eu

mkdir -p /var/lib/ceph/mon /var/lib/ceph/osd /run/ceph
monmaptool --create --add a 127.0.0.1 --fsid "$(ceph-conf --lookup fsid)" /tmp/monmap
ceph-mon --mkfs -i a --monmap /tmp/monmap
ceph-mon -i a -f &
osd=$(ceph osd create)
ceph-osd -i "$osd" --mkfs
ceph osd crush add "osd.$osd" 1.0 root=default host=here
ceph-osd -i "$osd" -f &
# Waits until the store is there to answer.
radosgw-admin user create --uid=tests --display-name=tests \
    --access-key="$AWS_ACCESS_KEY_ID" --secret="$AWS_SECRET_ACCESS_KEY" > /dev/null
exec radosgw -n client.rgw -f
