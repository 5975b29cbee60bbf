-- How long the requests of a fetch took. Makes the view of fetches again.

DROP VIEW fetches;

ALTER TABLE _store.fetches ADD COLUMN seconds DOUBLE;  -- null: not measured, or no request was sent

CREATE VIEW fetches AS
SELECT source, channel, url, final_url, status, attempt_count, seconds, bytes, etag, last_modified,
       vary, fetched_at, archive_file, archive_offset, listing_entry, error, body_sha256,
       attempt_results, retry_after_at, run_id
FROM _store.fetches;

COMMENT ON VIEW fetches IS 'One row per fetch: a request with its retries';

COMMENT ON COLUMN fetches.source IS 'The configured source';
COMMENT ON COLUMN fetches.channel IS 'The channel it was fetched for';
COMMENT ON COLUMN fetches.url IS 'The requested URL';
COMMENT ON COLUMN fetches.final_url IS 'The URL that answered, after redirects';
COMMENT ON COLUMN fetches.status IS 'HTTP status; null when no server answered';
COMMENT ON COLUMN fetches.attempt_count IS 'Number of HTTP requests, retries included';
COMMENT ON COLUMN fetches.seconds IS 'Time that its HTTP requests took, in seconds, without the waits between them; null for fetches of an earlier copydesk, and when no request was sent';
COMMENT ON COLUMN fetches.bytes IS 'Size of the decoded body';
COMMENT ON COLUMN fetches.etag IS 'ETag header of the answer';
COMMENT ON COLUMN fetches.last_modified IS 'Last-Modified header of the answer, as found';
COMMENT ON COLUMN fetches.vary IS 'Vary header of the answer';
COMMENT ON COLUMN fetches.fetched_at IS 'Time of the fetch, UTC';
COMMENT ON COLUMN fetches.archive_file IS 'The archive file that holds the page; null when none was kept';
COMMENT ON COLUMN fetches.archive_offset IS 'Offset of the page in that file, in bytes';
COMMENT ON COLUMN fetches.listing_entry IS 'JSON of the listing entry that led to the page; empty when none did';
COMMENT ON COLUMN fetches.error IS 'Why there is no page, or what is wrong with it';
COMMENT ON COLUMN fetches.body_sha256 IS 'SHA-256 of the decoded body; null when there was none';
COMMENT ON COLUMN fetches.attempt_results IS 'Result of each attempt in order: ok or the reason of its failure, and the HTTP status';
COMMENT ON COLUMN fetches.retry_after_at IS 'Time until which the host asked for no request (Retry-After), UTC; null when it did not';
COMMENT ON COLUMN fetches.run_id IS 'The run that fetched it';
