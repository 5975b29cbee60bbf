-- Makes the tables of 0006 from those of schema 5 (copydesk 0.1.0), mostly by renaming them.
-- Keys and hashes stay as they are. 0007 makes the views again.

DROP VIEW articles;
DROP VIEW revisions;
DROP VIEW sightings;
DROP VIEW pages;
DROP VIEW runs;
DROP VIEW quarantine;
DROP VIEW gaps;
DROP MACRO TABLE articles_as_of;

ALTER TABLE _store.guard RENAME n TO last_seq;
ALTER TABLE _store.guard RENAME TO write_sequence;

UPDATE _store.records
SET provenance = replace(provenance, '"published_zone_from":', '"published_timezone_source":');
ALTER TABLE _store.records RENAME published_zone_from TO published_timezone_source;
ALTER TABLE _store.records RENAME TO article_records;
ALTER TABLE _store.versions RENAME TO article_versions;
ALTER TABLE _store.seen RENAME TO sightings;

UPDATE _store.pages
SET tries = list_transform(tries, lambda result: CASE split_part(result, ' ', 1)
    WHEN 'unreachable' THEN replace(result, 'unreachable', 'connection_failed')
    WHEN 'broken_body' THEN replace(result, 'broken_body', 'incomplete_body')
    WHEN 'unexpected_answer' THEN replace(result, 'unexpected_answer', 'unexpected_status')
    WHEN 'deferred' THEN replace(result, 'deferred', 'rate_limited')
    WHEN 'stopped' THEN replace(result, 'stopped', 'cancelled')
    ELSE result END)
WHERE regexp_matches(array_to_string(tries, ','), 'unreachable|broken_body|unexpected_answer|deferred|stopped');
ALTER TABLE _store.pages RENAME attempts TO attempt_count;
ALTER TABLE _store.pages RENAME entry TO listing_entry;
ALTER TABLE _store.pages RENAME digest TO body_sha256;
ALTER TABLE _store.pages RENAME tries TO attempt_results;
ALTER TABLE _store.pages RENAME retry_at TO retry_after_at;
ALTER TABLE _store.pages RENAME TO fetches;

-- A completed run with an error had warnings.
UPDATE _store.runs SET state = 'completed_with_warnings'
WHERE state = 'completed' AND error IS NOT NULL;
ALTER TABLE _store.runs RENAME TO runs_of_5;
CREATE TABLE _store.runs AS
SELECT run_id, flow, source, state, started_at, ended_at, discovered, fetched, not_modified, new,
       modified AS updated, unmodified AS unchanged, duplicate, quarantined, failed,
       forgotten AS suppressed, 0::BIGINT AS skipped, gaps, seconds, code_version, parser,
       parser_version,
       CASE WHEN error IS NULL THEN []::VARCHAR[] ELSE string_split(error, chr(10)) END AS messages,
       host, boot, pid, pid_started
FROM _store.runs_of_5;
DROP TABLE _store.runs_of_5;

ALTER TABLE _store.quarantine RENAME facts TO listing_entry;
ALTER TABLE _store.quarantine RENAME told_at TO alerted_at;

ALTER TABLE _store.gaps RENAME how TO detected_by;
ALTER TABLE _store.gaps RENAME noticed_at TO detected_at;

ALTER TABLE _store.tombstones RENAME forgotten_at TO suppressed_at;
ALTER TABLE _store.tombstones RENAME TO suppressions;

CREATE TABLE _store.backfill_chunks AS
SELECT plan_key, plan, source, n AS number,
       CASE kind WHEN 'walk' THEN 'list_pages' WHEN 'entries' THEN 'fetch_entries'
                 WHEN 'records' THEN 'read_archive' WHEN 'close' THEN 'close_gaps'
                 ELSE kind END AS kind,
       what AS description, spec, entries AS entry_count, state, made_at AS created_at,
       ended_at, run_id
FROM _work.chunks;
DROP TABLE _work.chunks;
DROP SCHEMA _work;

DELETE FROM _store.migrations WHERE version <= 5;
