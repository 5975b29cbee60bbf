-- The addresses of missing articles that an audit found. Makes the view of gaps again.

DROP VIEW gaps;

ALTER TABLE _store.gaps ADD COLUMN missing_urls VARCHAR[];  -- null: a run found no addresses

CREATE VIEW gaps AS
SELECT CAST(gap_key AS VARCHAR) AS gap_id, source, channel, from_at, to_at, detected_by,
       detected_at, run_id, closed_at, closed_by, coalesce(missing_urls, []) AS missing_urls
FROM _store.gaps;

COMMENT ON VIEW gaps IS 'One row per interval of a channel in which entries may have been missed';
