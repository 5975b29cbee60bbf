-- The views that analysts query: stable names. The next file comments their columns.

-- The articles as they were known at ts: nothing seen later takes part.
-- (DuckLake has no comments on macros, so this comment is the documentation.)
CREATE MACRO articles_as_of(ts) AS TABLE
WITH known AS (
    SELECT article_key, count(*) AS version_count,
           any_value(content_key) AS content_key, any_value(record_key) AS record_key
    FROM _store.article_versions
    WHERE seen_at <= ts
    GROUP BY article_key
), chain AS (
    -- Nearly every article has one version; only the others need an order.
    SELECT article_key, content_key, record_key, seen_at, seq,
           content_key IS DISTINCT FROM lag(content_key)
               OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
    FROM _store.article_versions
    SEMI JOIN (SELECT article_key FROM known WHERE version_count > 1) USING (article_key)
    WHERE seen_at <= ts
), heads AS (
    SELECT article_key, content_key, record_key, 1 AS revision_count
    FROM known WHERE version_count = 1
    UNION ALL
    SELECT article_key,
           max_by(content_key, (seen_at, seq)),
           max_by(record_key, (seen_at, seq)),
           count(*) FILTER (is_change)
    FROM chain
    GROUP BY article_key
), counted AS (
    SELECT *, count(*) OVER (PARTITION BY content_key) - 1 AS duplicate_count FROM heads
), seen AS (
    -- A merged row may reach beyond ts, and what came after is not known then.
    SELECT article_key,
           min(first_seen_at) AS first_seen_at,
           max(least(last_seen_at, ts)) AS last_seen_at
    FROM _store.sightings
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
       s.first_seen_at, s.last_seen_at, h.revision_count, h.duplicate_count
FROM counted h
JOIN _store.article_records r ON r.record_key = h.record_key
JOIN _store.contents c ON c.content_key = h.content_key
JOIN seen s ON s.article_key = h.article_key;

CREATE VIEW articles AS
SELECT article_id, source, source_article_id, url, canonical_url, title, authors, publisher,
       published_at, published_raw, published_precision, published_timezone_source, updated_at,
       categories, tags, language, lead_image, body_html, text, content_hash, parser,
       parser_version, provenance, original_url, first_seen_at, last_seen_at, revision_count,
       duplicate_count
FROM articles_as_of('infinity'::TIMESTAMPTZ);

COMMENT ON VIEW articles IS 'One row per article: its current revision';

CREATE VIEW revisions AS
WITH chain AS (
    SELECT article_key, content_key, record_key, seen_at, seq, run_id,
           content_key IS DISTINCT FROM lag(content_key)
               OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
    FROM _store.article_versions
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
), intervals AS (
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
FROM intervals i
JOIN _store.article_records r ON r.record_key = i.record_key
JOIN _store.contents c ON c.content_key = i.content_key;

COMMENT ON VIEW revisions IS 'One row per content that was current for an article for a time; a content that returns gets another row';

CREATE VIEW sightings AS
WITH places AS (
    SELECT article_key, content_key,
           list_sort(list(DISTINCT channel)) AS channels,
           min(first_seen_at) AS first_seen_at,
           max(last_seen_at) AS last_seen_at
    FROM _store.sightings
    GROUP BY article_key, content_key
), latest AS (
    SELECT article_key, content_key, max_by(record_key, (seen_at, seq)) AS record_key
    FROM _store.article_versions
    GROUP BY article_key, content_key
)
SELECT r.source || ':' || r.source_article_id AS article_id,
       c.content_hash, r.source, p.channels, r.url, r.title, p.first_seen_at, p.last_seen_at
FROM places p
JOIN latest l ON l.article_key = p.article_key AND l.content_key = p.content_key
JOIN _store.article_records r ON r.record_key = l.record_key
JOIN _store.contents c ON c.content_key = p.content_key;

COMMENT ON VIEW sightings IS 'One row per article id and content: the channels and times it was seen in';

CREATE VIEW fetches AS
SELECT source, channel, url, final_url, status, attempt_count, bytes, etag, last_modified, vary,
       fetched_at, archive_file, archive_offset, listing_entry, error, body_sha256,
       attempt_results, retry_after_at, run_id
FROM _store.fetches;

COMMENT ON VIEW fetches IS 'One row per fetch: a request with its retries';

CREATE VIEW runs AS
SELECT run_id, flow, source, state, started_at, ended_at, discovered, fetched, not_modified,
       new, updated, unchanged, duplicate, quarantined, failed, suppressed, skipped, gaps,
       seconds, code_version, parser, parser_version, messages
FROM _store.runs;

COMMENT ON VIEW runs IS 'One row per run and source';

CREATE VIEW quarantine AS
SELECT CAST(quarantine_key AS VARCHAR) AS quarantine_id, source, channel, article_id, url,
       reason, message, expected, found, page, content_type, listing_entry, fetched_at, parser,
       parser_version, attempts, first_failed_at, last_failed_at, resolved_at, resolved_by,
       alerted_at, run_id
FROM _store.quarantine;

COMMENT ON VIEW quarantine IS 'One row per page, listing entry or post that failed';

CREATE VIEW gaps AS
SELECT CAST(gap_key AS VARCHAR) AS gap_id, source, channel, from_at, to_at, detected_by,
       detected_at, run_id, closed_at, closed_by
FROM _store.gaps;

COMMENT ON VIEW gaps IS 'One row per interval of a channel in which entries may have been missed';

CREATE VIEW sources AS
WITH first_seen AS (
    SELECT article_key, any_value(record_key) AS record_key, min(seen_at) AS first_seen_at
    FROM _store.article_versions
    GROUP BY article_key
), stored AS (
    SELECT r.source, count(*) AS article_count, max(f.first_seen_at) AS last_new_article_at
    FROM first_seen f
    JOIN _store.article_records r ON r.record_key = f.record_key
    GROUP BY r.source
), succeeded AS (
    SELECT source, max(ended_at) FILTER (state IN ('completed', 'completed_with_warnings'))
               AS last_success_at
    FROM _store.runs
    GROUP BY source
), failing AS (
    SELECT source, count(*) FILTER (resolved_at IS NULL) AS open_quarantine_count
    FROM _store.quarantine
    GROUP BY source
), missed AS (
    SELECT source, count(*) FILTER (closed_at IS NULL) AS open_gap_count
    FROM _store.gaps
    GROUP BY source
)
SELECT source, last_success_at, last_new_article_at,
       coalesce(article_count, 0) AS article_count,
       coalesce(open_quarantine_count, 0) AS open_quarantine_count,
       coalesce(open_gap_count, 0) AS open_gap_count
FROM stored
FULL JOIN succeeded USING (source)
FULL JOIN failing USING (source)
FULL JOIN missed USING (source);

COMMENT ON VIEW sources IS 'One row per source: its last success, last new article, and what is open';
