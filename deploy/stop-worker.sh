#!/bin/sh
# Stop a Prefect worker after its runs: stop-worker.sh PID. A worker that only receives SIGTERM kills
# its runs. Here it stops asking for new ones, each run stores its batch, then the worker ends.
set -eu
worker=$1
kill -STOP "$worker"
pkill -TERM -P "$worker" || true # no run
left=30
while [ "$left" -gt 0 ] && pgrep --runstates D,R,S -P "$worker" >/dev/null; do
    sleep 1
    left=$((left - 1))
done
kill -TERM "$worker"
kill -CONT "$worker"
