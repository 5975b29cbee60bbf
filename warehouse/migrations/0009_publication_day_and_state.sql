-- The day of publication in the zone of the source, complete and incomplete texts, articles
-- without a title, and articles that their publisher removed. Makes the views of these again.

DROP VIEW articles;
DROP VIEW revisions;
DROP VIEW sightings;
DROP MACRO TABLE articles_as_of;

ALTER TABLE _store.article_records ALTER COLUMN title DROP NOT NULL;
ALTER TABLE _store.article_records ADD COLUMN published_on DATE;
ALTER TABLE _store.article_records ADD COLUMN published_timezone VARCHAR;
ALTER TABLE _store.article_records ADD COLUMN completeness VARCHAR;  -- full, partial, teaser

-- Every source so far declared Asia/Shanghai or no zone. The record key leaves these values out.
UPDATE _store.article_records
SET completeness = 'full',
    published_on = (published_at AT TIME ZONE 'Asia/Shanghai')::DATE,
    published_timezone = CASE WHEN published_at IS NOT NULL THEN 'Asia/Shanghai' END;

-- One row per time an article, or an entry never stored, was gone: its URL answered 404 or 410.
CREATE TABLE _store.gone (
    article_key     UUID        NOT NULL,  -- of article_id
    article_id      VARCHAR     NOT NULL,
    source          VARCHAR     NOT NULL,
    url             VARCHAR     NOT NULL,
    status          INTEGER     NOT NULL,  -- the last answer
    gone_at         TIMESTAMPTZ NOT NULL,  -- the first answer
    last_checked_at TIMESTAMPTZ NOT NULL,  -- the last answer
    check_count     INTEGER     NOT NULL,  -- answers in a row
    live_at         TIMESTAMPTZ,           -- null: still gone
    run_id          VARCHAR     NOT NULL   -- the run of the last answer
);

-- The articles as they were known at ts: nothing seen later takes part.
-- (DuckLake has no comments on macros, so this comment is the documentation.)
-- DuckDB looks up the tables of a macro where it is called, not where it is defined. Publishing
-- a snapshot sets `home` to its database name: called from any other database, the macro reads
-- the one attached as `news`.
CREATE MACRO articles_as_of(ts, home := '') AS TABLE
WITH imports AS (
    -- What an import stored was not known before it, whatever the time of the file.
    SELECT run_id
    FROM query_table(CASE WHEN home = '' OR current_database() IN (home, 'copydesk') THEN ''
                          ELSE 'news.' END || '_store.runs')
    WHERE flow = 'import' AND started_at > ts
), known AS (
    SELECT article_key, count(*) AS version_count,
           any_value(content_key) AS content_key, any_value(record_key) AS record_key
    FROM query_table(CASE WHEN home = '' OR current_database() IN (home, 'copydesk') THEN ''
                          ELSE 'news.' END || '_store.article_versions')
    WHERE seen_at <= ts AND run_id NOT IN (FROM imports)
    GROUP BY article_key
), chain AS (
    -- Nearly every article has one version; only the others need an order.
    SELECT article_key, content_key, record_key, seen_at, seq,
           content_key IS DISTINCT FROM lag(content_key)
               OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
    FROM query_table(CASE WHEN home = '' OR current_database() IN (home, 'copydesk') THEN ''
                          ELSE 'news.' END || '_store.article_versions')
    SEMI JOIN (SELECT article_key FROM known WHERE version_count > 1) USING (article_key)
    WHERE seen_at <= ts AND run_id NOT IN (FROM imports)
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
    FROM query_table(CASE WHEN home = '' OR current_database() IN (home, 'copydesk') THEN ''
                          ELSE 'news.' END || '_store.sightings')
    WHERE first_seen_at <= ts AND run_id NOT IN (FROM imports)
    GROUP BY article_key
), absent AS (
    SELECT DISTINCT article_key
    FROM query_table(CASE WHEN home = '' OR current_database() IN (home, 'copydesk') THEN ''
                          ELSE 'news.' END || '_store.gone')
    WHERE gone_at <= ts AND (live_at IS NULL OR live_at > ts)
)
SELECT r.source || ':' || r.source_article_id AS article_id,
       r.source, r.source_article_id, r.url, r.canonical_url, r.title, r.authors, r.publisher,
       r.published_at, r.published_on, r.published_raw, r.published_precision,
       r.published_timezone, r.published_timezone_source, r.updated_at, r.categories, r.tags,
       r.language, r.lead_image,
       coalesce(r.body_html, c.body_html) AS body_html,
       coalesce(r.text, c.text) AS text,
       r.completeness, c.content_hash, r.parser, r.parser_version,
       r.provenance::JSON AS provenance, r.original_url, s.first_seen_at, s.last_seen_at,
       h.revision_count, h.duplicate_count,
       CASE WHEN g.article_key IS NULL THEN 'live' ELSE 'gone' END AS state
FROM counted h
JOIN query_table(CASE WHEN home = '' OR current_database() IN (home, 'copydesk') THEN ''
                          ELSE 'news.' END || '_store.article_records')
    r ON r.record_key = h.record_key
JOIN query_table(CASE WHEN home = '' OR current_database() IN (home, 'copydesk') THEN ''
                          ELSE 'news.' END || '_store.contents')
    c ON c.content_key = h.content_key
JOIN seen s ON s.article_key = h.article_key
LEFT JOIN absent g ON g.article_key = h.article_key;

CREATE VIEW articles AS
SELECT article_id, source, source_article_id, url, canonical_url, title, authors, publisher,
       published_at, published_on, published_raw, published_precision, published_timezone,
       published_timezone_source, updated_at, categories, tags, language, lead_image, body_html,
       text, completeness, content_hash, parser, parser_version, provenance, original_url,
       first_seen_at, last_seen_at, revision_count, duplicate_count, state
FROM articles_as_of('infinity'::TIMESTAMPTZ, home := '');

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
       c.content_hash, r.title, r.published_at, r.published_on, r.updated_at, r.completeness,
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
