-- Media of articles, and articles of media alone: their text is null. Makes the views of these again.

DROP VIEW articles;
DROP VIEW revisions;
DROP MACRO TABLE articles_as_of;

-- Null for records of an earlier copydesk. A text of media alone is stored as an empty one.
ALTER TABLE _store.article_records ADD COLUMN media STRUCT(
    kind VARCHAR, url VARCHAR, "type" VARCHAR, length BIGINT, duration DOUBLE
)[];

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
       r.language, r.lead_image, coalesce(r.media, []) AS media,
       coalesce(r.body_html, c.body_html) AS body_html,
       nullif(coalesce(r.text, c.text), '') AS text,
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
       published_timezone_source, updated_at, categories, tags, language, lead_image, media,
       body_html, text, completeness, content_hash, parser, parser_version, provenance, original_url,
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
       coalesce(r.media, []) AS media,
       coalesce(r.body_html, c.body_html) AS body_html,
       nullif(coalesce(r.text, c.text), '') AS text,
       i.run_id
FROM intervals i
JOIN _store.article_records r ON r.record_key = i.record_key
JOIN _store.contents c ON c.content_key = i.content_key;

COMMENT ON VIEW revisions IS 'One row per content that was current for an article for a time; a content that returns gets another row';

COMMENT ON COLUMN articles.article_id IS '<source>:<source_article_id>';
COMMENT ON COLUMN articles.source IS 'The configured source';
COMMENT ON COLUMN articles.source_article_id IS 'The id that the source uses';
COMMENT ON COLUMN articles.url IS 'The URL that was fetched';
COMMENT ON COLUMN articles.canonical_url IS 'The URL in its canonical form';
COMMENT ON COLUMN articles.title IS 'Title as plain text, exactly as last seen; null when the publisher gives none';
COMMENT ON COLUMN articles.authors IS 'Bylines in order; empty when the page names none';
COMMENT ON COLUMN articles.publisher IS 'The medium that published it; null when the page names none';
COMMENT ON COLUMN articles.published_at IS 'Publication time, UTC; null when unknown';
COMMENT ON COLUMN articles.published_on IS 'Day of publication in published_timezone; null when unknown';
COMMENT ON COLUMN articles.published_raw IS 'Publication time as found';
COMMENT ON COLUMN articles.published_precision IS 'second, minute, day or unknown';
COMMENT ON COLUMN articles.published_timezone IS 'Time zone of published_on; null when unknown';
COMMENT ON COLUMN articles.published_timezone_source IS 'Origin of the time zone: value (the text names it), source (the source declares it) or none';
COMMENT ON COLUMN articles.updated_at IS 'Time of the last change by the publisher, UTC; null when the page gives none';
COMMENT ON COLUMN articles.categories IS 'Categories given by the source';
COMMENT ON COLUMN articles.tags IS 'Tags given by the source';
COMMENT ON COLUMN articles.language IS 'BCP 47 language tag; null when unknown';
COMMENT ON COLUMN articles.lead_image IS 'URL of the lead image';
COMMENT ON COLUMN articles.media IS 'Pictures, videos and sounds, each once: those that a feed attaches, then those of the body. kind is picture, video or audio; type is the MIME type; length is in bytes, duration in seconds; the last three as declared, else null';
COMMENT ON COLUMN articles.body_html IS 'Body as clean HTML';
COMMENT ON COLUMN articles.text IS 'Visible text; a blank line separates paragraphs; null for an article of media alone';
COMMENT ON COLUMN articles.completeness IS 'full, partial (a part of the text) or teaser (a summary); provenance holds the reason';
COMMENT ON COLUMN articles.content_hash IS 'c1: and the SHA-256 of the canonical title and text, without a text of title and media addresses; equal contents have equal hashes';
COMMENT ON COLUMN articles.parser IS 'The parser that extracted it';
COMMENT ON COLUMN articles.parser_version IS 'The version of that parser';
COMMENT ON COLUMN articles.provenance IS 'JSON: for each field how it was found, or why it is missing';
COMMENT ON COLUMN articles.original_url IS 'URL of the first publication, as given by the publisher';
COMMENT ON COLUMN articles.first_seen_at IS 'First time this article was seen, UTC';
COMMENT ON COLUMN articles.last_seen_at IS 'Last time this article was seen, UTC';
COMMENT ON COLUMN articles.revision_count IS 'Number of revisions of this article';
COMMENT ON COLUMN articles.duplicate_count IS 'Number of other article ids with the same content hash';
COMMENT ON COLUMN articles.state IS 'live, or gone when its URL last answered 404 or 410';

COMMENT ON COLUMN revisions.article_id IS '<source>:<source_article_id>';
COMMENT ON COLUMN revisions.source IS 'The configured source';
COMMENT ON COLUMN revisions.revision IS 'Number of the revision within the article, from 1, in order of time';
COMMENT ON COLUMN revisions.valid_from IS 'First time this content was seen, UTC';
COMMENT ON COLUMN revisions.valid_to IS 'First time the next content was seen, UTC; null for the current revision. Equal to valid_from when another parse of the same page replaced it';
COMMENT ON COLUMN revisions.is_current IS 'True for the last revision of each article';
COMMENT ON COLUMN revisions.content_hash IS 'Content hash of this revision';
COMMENT ON COLUMN revisions.title IS 'Title of this revision';
COMMENT ON COLUMN revisions.published_at IS 'Publication time in this revision, UTC';
COMMENT ON COLUMN revisions.published_on IS 'Day of publication in this revision, in the time zone of the source';
COMMENT ON COLUMN revisions.updated_at IS 'Change time in this revision, UTC';
COMMENT ON COLUMN revisions.completeness IS 'full, partial or teaser';
COMMENT ON COLUMN revisions.media IS 'Pictures, videos and sounds of this revision, as in articles';
COMMENT ON COLUMN revisions.body_html IS 'Body as clean HTML';
COMMENT ON COLUMN revisions.text IS 'Visible text; null for an article of media alone';
COMMENT ON COLUMN revisions.run_id IS 'The run that stored it';
