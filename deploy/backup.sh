#!/bin/sh
# backup.sh DATA TARGET: a consistent copy of the corpus, taken while copydesk runs.
#
# The read snapshot is a whole database that is only ever replaced, never changed, so copying it
# needs no lock; raw pages are files that only grow. Prefect's database is not copied: it holds
# schedules, which the configuration has too, and the history of runs, which the corpus has too.
#
# Raw pages that `copydesk maintenance` moved away are copied from where they lie now. If that place
# cannot be reached, the rest is backed up, and the exit status is 1.
set -eu
data=${1:?usage: backup.sh DATA TARGET} target=${2:?usage: backup.sh DATA TARGET}
new=$target/$(date -u +%Y%m%dT%H%M%SZ)
if [ ! -e "$data/copydesk.read.duckdb" ]; then
    echo "backup.sh: there is no $data/copydesk.read.duckdb yet; the first run of a source publishes it" >&2
    exit 1
fi
trap 'rm -rf "$new.part"' EXIT # half a backup is none
mkdir -p "$new.part"
# The snapshot first: what it points to is in the archive already, and what comes later does no harm.
cp -p "$data/copydesk.read.duckdb" "$new.part/copydesk.duckdb"
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
