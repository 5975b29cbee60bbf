#!/bin/sh
# backup.sh DATA TARGET: a consistent copy of the corpus, taken while copydesk runs.
#
# The snapshot is a database that is replaced, never changed, so copying it needs no lock. Archive
# files only grow. Prefect's database is not copied: the configuration has the schedules, and the
# corpus has the history of runs.
#
# Archive files that maintenance moved to another folder are copied from there. If that folder
# cannot be reached, the rest is backed up, and the exit status is 1.
set -eu
data=${1:?usage: backup.sh DATA TARGET} target=${2:?usage: backup.sh DATA TARGET}
new=$target/$(date -u +%Y%m%dT%H%M%SZ)
if [ ! -e "$data/copydesk.read.duckdb" ]; then
    echo "backup.sh: there is no $data/copydesk.read.duckdb yet; the first run of a source publishes it" >&2
    exit 1
fi
trap 'rm -rf "$new.part"' EXIT
mkdir -p "$new.part"
# The snapshot first: the archive already holds all pages that it names.
cp -p "$data/copydesk.read.duckdb" "$new.part/copydesk.duckdb"
chmod u+w "$new.part/copydesk.duckdb"
broken=
if [ -d "$data/archive" ]; then
    mkdir "$new.part/archive"
    broken=$(find -L "$data/archive" -maxdepth 1 -type l)
    # Without -R, cp follows links.
    find -L "$data/archive" -maxdepth 1 -type f ! -name '*.part' \
        -exec sh -c 'cp -p -- "$@" "$0/"' "$new.part/archive" {} +
fi
(cd "$new.part" && find . -type f ! -name SHA256SUMS -exec sha256sum {} + >SHA256SUMS)
sync
mv "$new.part" "$new"
echo "$new"
if [ -n "$broken" ]; then
    echo "backup.sh: NOT in this backup, because their links lead nowhere:" "$broken" >&2
    echo "backup.sh: mount the disk that the files were moved to, then run it again" >&2
    exit 1
fi
