#!/bin/sh
# backup.sh DATA TARGET: a consistent copy of the corpus, taken while copydesk runs.
#
# The read snapshot is a whole database that is only ever replaced, never changed, so copying it
# needs no lock; raw pages are files that only grow. Prefect's database is not copied: it holds
# schedules, which the configuration has too, and the history of runs, which the corpus has too.
set -eu
data=${1:?usage: backup.sh DATA TARGET} target=${2:?usage: backup.sh DATA TARGET}
new=$target/$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$new.part"
# The snapshot first: what it points to is in the archive already, and what comes later does no harm.
cp -p "$data/copydesk.read.duckdb" "$new.part/copydesk.duckdb"
if [ -d "$data/archive" ]; then cp -Rp "$data/archive" "$new.part/archive"; fi
(cd "$new.part" && find . -type f ! -name SHA256SUMS -exec sha256sum {} + >SHA256SUMS)
sync
mv "$new.part" "$new"
echo "$new"
