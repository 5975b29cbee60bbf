-- Which failures the schedule has sent an alert for: those alarm nobody again while they stand.
ALTER TABLE _store.quarantine ADD COLUMN told_at TIMESTAMPTZ;
