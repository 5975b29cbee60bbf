#!/bin/sh
# update.sh: sync all sources, then publish; for a job of CI, in the folder of copydesk.toml.
#
# Without a warehouse it stops, because a lost cache would publish an empty site. NEW_CORPUS=true
# begins a new one. If a source failed, what the others brought is published. The exit status of
# a sync that ended by itself is written to $GITHUB_OUTPUT, or to sync.env, as SYNC_STATUS.
set -eu
if [ ! -e data/copydesk.duckdb ] && [ "${NEW_CORPUS:-false}" != true ]; then
    echo "update.sh: there is no data/copydesk.duckdb. Set NEW_CORPUS=true if this is the first run." >&2
    echo "update.sh: If the cache was lost, restore a backup as deploy/publish/README.md describes." >&2
    exit 1
fi
status=0
copydesk sync || status=$?
case $status in
0 | 3) ;;
1) echo "update.sh: a source failed; the rest is published" >&2 ;;
*) exit "$status" ;;
esac
echo "SYNC_STATUS=$status" >>"${GITHUB_OUTPUT:-sync.env}"
status=0
copydesk publish || status=$?
# 3: files that others wrote or edited were left alone.
[ "$status" = 3 ] || exit "$status"
