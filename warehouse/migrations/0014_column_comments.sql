-- Explains each column of the view of 0013. DuckLake skips this file.

COMMENT ON COLUMN gaps.gap_id IS 'Stable id';
COMMENT ON COLUMN gaps.source IS 'The configured source';
COMMENT ON COLUMN gaps.channel IS 'The channel; witness when an audit found the gap';
COMMENT ON COLUMN gaps.from_at IS 'Start of the interval, UTC; null when unknown';
COMMENT ON COLUMN gaps.to_at IS 'End of the interval, UTC; null when unknown';
COMMENT ON COLUMN gaps.detected_by IS 'The observation that detected it';
COMMENT ON COLUMN gaps.detected_at IS 'Time of detection, UTC';
COMMENT ON COLUMN gaps.run_id IS 'The run that detected it';
COMMENT ON COLUMN gaps.closed_at IS 'Time when it was closed, UTC; null while it is open';
COMMENT ON COLUMN gaps.closed_by IS 'The run that closed it';
COMMENT ON COLUMN gaps.missing_urls IS 'Addresses of the articles that an audit misses; empty in other gaps and in closed ones';
