-- What analysts read: stable names (DESIGN.md 7). The next file explains their columns.

-- The articles as they were known at a time: nothing that was seen later has a part in it.
-- (DuckLake knows no comments on macros, so this is all there is.)
CREATE MACRO articles_as_of(ts) AS TABLE
WITH told AS (
    SELECT article_key, count(*) AS versions,
           any_value(content_key) AS content_key, any_value(record_key) AS record_key
    FROM _store.versions
    WHERE seen_at <= ts
    GROUP BY article_key
), chain AS (
    -- Nearly every article was said once; only the others need an order.
    SELECT article_key, content_key, record_key, seen_at, seq,
           content_key IS DISTINCT FROM lag(content_key)
               OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
    FROM _store.versions
    SEMI JOIN (SELECT article_key FROM told WHERE versions > 1) USING (article_key)
    WHERE seen_at <= ts
), heads AS (
    SELECT article_key, content_key, record_key, 1 AS revisions FROM told WHERE versions = 1
    UNION ALL
    SELECT article_key,
           max_by(content_key, (seen_at, seq)),
           max_by(record_key, (seen_at, seq)),
           count(*) FILTER (is_change)
    FROM chain
    GROUP BY article_key
), counted AS (
    SELECT *, count(*) OVER (PARTITION BY content_key) - 1 AS duplicates FROM heads
), sights AS (
    -- A merged row may reach beyond ts; what came after is not known then.
    SELECT article_key,
           min(first_seen_at) AS first_seen_at,
           max(least(last_seen_at, ts)) AS last_seen_at
    FROM _store.seen
    WHERE first_seen_at <= ts
    GROUP BY article_key
)
SELECT r.source || ':' || r.source_article_id AS article_id,
       r.source, r.source_article_id, r.url, r.canonical_url, r.title, r.authors, r.publisher,
       r.published_at, r.published_raw, r.published_precision, r.published_timezone_source,
       r.updated_at, r.categories, r.tags, r.language, r.lead_image,
       coalesce(r.body_html, c.body_html) AS body_html,
       coalesce(r.text, c.text) AS text,
       c.content_hash, r.parser, r.parser_version, r.provenance, r.original_url,
       s.first_seen_at, s.last_seen_at,
       h.revisions AS revision, h.revisions, h.duplicates
FROM counted h
JOIN _store.records r ON r.record_key = h.record_key
JOIN _store.contents c ON c.content_key = h.content_key
JOIN sights s ON s.article_key = h.article_key;

CREATE VIEW articles AS
SELECT article_id, source, source_article_id, url, canonical_url, title, authors, publisher,
       published_at, published_raw, published_precision, published_timezone_source, updated_at,
       categories, tags, language, lead_image, body_html, text, content_hash, parser,
       parser_version, provenance, original_url, first_seen_at, last_seen_at, revision,
       revisions, duplicates
FROM articles_as_of('infinity'::TIMESTAMPTZ);

COMMENT ON VIEW articles IS 'One row per article: its current revision';

CREATE VIEW revisions AS
WITH chain AS (
    SELECT article_key, content_key, record_key, seen_at, seq, run_id,
           content_key IS DISTINCT FROM lag(content_key)
               OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
    FROM _store.versions
), numbered AS (
    SELECT *, count(*) FILTER (is_change)
               OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS revision
    FROM chain
), islands AS (
    SELECT article_key, content_key, revision,
           max_by(record_key, (seen_at, seq)) AS record_key,
           min(seen_at) AS valid_from,
           min_by(run_id, (seen_at, seq)) AS run_id
    FROM numbered
    GROUP BY article_key, content_key, revision
), stretches AS (
    SELECT *, lead(valid_from) OVER (PARTITION BY article_key ORDER BY revision) AS valid_to,
           row_number() OVER (PARTITION BY article_key ORDER BY revision DESC) = 1 AS is_current
    FROM islands
)
SELECT r.source || ':' || r.source_article_id AS article_id, r.source, i.revision,
       i.valid_from, i.valid_to, i.is_current,
       c.content_hash, r.title, r.published_at, r.updated_at,
       coalesce(r.body_html, c.body_html) AS body_html,
       coalesce(r.text, c.text) AS text,
       i.run_id
FROM stretches i
JOIN _store.records r ON r.record_key = i.record_key
JOIN _store.contents c ON c.content_key = i.content_key;

COMMENT ON VIEW revisions IS 'One row per content that was current for an article for a time; a content that returns gets another row';

CREATE VIEW sightings AS
WITH places AS (
    SELECT article_key, content_key,
           list_sort(list(DISTINCT channel)) AS channels,
           min(first_seen_at) AS first_seen_at,
           max(last_seen_at) AS last_seen_at
    FROM _store.seen
    GROUP BY article_key, content_key
), said AS (
    SELECT article_key, content_key, max_by(record_key, (seen_at, seq)) AS record_key
    FROM _store.versions
    GROUP BY article_key, content_key
)
SELECT r.source || ':' || r.source_article_id AS article_id,
       c.content_hash, r.source,
       array_to_string(p.channels, ', ') AS channel, p.channels,
       r.url, r.title, p.first_seen_at, p.last_seen_at
FROM places p
JOIN said s ON s.article_key = p.article_key AND s.content_key = p.content_key
JOIN _store.records r ON r.record_key = s.record_key
JOIN _store.contents c ON c.content_key = p.content_key;

COMMENT ON VIEW sightings IS 'One row per article id and content: where and when it was seen';

CREATE VIEW pages AS
SELECT source, channel, url, final_url, status, attempts, bytes, etag, last_modified, vary,
       fetched_at, archive_file, archive_offset, entry, error, digest, tries,
       retry_at, run_id
FROM _store.pages;

COMMENT ON VIEW pages IS 'One row per fetch';

CREATE VIEW runs AS
SELECT run_id, flow, source, state, started_at, ended_at, discovered, fetched, not_modified,
       new, modified, unmodified, duplicate, quarantined, failed, gaps, forgotten, seconds,
       code_version, parser, parser_version, error
FROM _store.runs;

COMMENT ON VIEW runs IS 'One row per run and source';

CREATE VIEW quarantine AS
SELECT CAST(quarantine_key AS VARCHAR) AS quarantine_id, source, channel, article_id, url,
       reason, message, expected, found, page, content_type, fetched_at, parser,
       parser_version, attempts, first_failed_at, last_failed_at, resolved_at, resolved_by,
       run_id
FROM _store.quarantine;

COMMENT ON VIEW quarantine IS 'One row per failed page or record';

CREATE VIEW gaps AS
SELECT CAST(gap_key AS VARCHAR) AS gap_id, source, channel, from_at, to_at, how, noticed_at,
       run_id, closed_at, closed_by
FROM _store.gaps;

COMMENT ON VIEW gaps IS 'One row per stretch of a channel that may have been missed';
