"""Schedules, backfills, kills: `make test-operations`."""
