-- Syndication: which articles have the same or nearly the same text. copydesk writes the tables
-- (warehouse/syndication); this file makes empty ones. The first runs, or compact, fill them.

-- One row per fingerprint of a content: a sample of the hashes of its runs of five characters.
CREATE TABLE _store.syndication_prints (
    print UINTEGER NOT NULL,
    doc   UINTEGER NOT NULL
);

-- One row per fingerprint that too many contents have. No later content gets it.
CREATE TABLE _store.syndication_common (
    print UINTEGER NOT NULL
);

-- One row per content whose fingerprints are stored and whose pairs are found.
CREATE TABLE _store.syndication_docs (
    doc         UINTEGER NOT NULL,
    content_seq BIGINT   NOT NULL,  -- seq of the content
    level       UTINYINT NOT NULL,  -- the sample has one in 2**level hashes
    print_count UINTEGER NOT NULL,
    numbers     UBIGINT  NOT NULL   -- one bit per number in the text, by its hash
);

-- One row per pair of different contents with nearly the same text; of one article, too.
CREATE TABLE _store.syndication_pairs (
    content_key       UUID    NOT NULL,  -- stored later
    other_content_key UUID    NOT NULL,
    kind              VARCHAR NOT NULL,  -- same, near, excerpt, rewritten
    jaccard           FLOAT   NOT NULL,
    containment       FLOAT   NOT NULL
);

CREATE VIEW syndication AS
WITH wanted AS (
    -- The contents that several articles have, and those of stored pairs.
    SELECT content_key FROM _store.article_versions
    GROUP BY content_key
    HAVING min(article_key) <> max(article_key)
    UNION SELECT content_key FROM _store.syndication_pairs
    UNION SELECT other_content_key FROM _store.syndication_pairs
), contents AS (
    SELECT content_key, article_key, min(seen_at) AS seen_at
    FROM _store.article_versions SEMI JOIN wanted USING (content_key)
    GROUP BY content_key, article_key
), numbered AS (
    SELECT content_key, article_key, count(*) OVER (PARTITION BY content_key) AS article_count,
           row_number() OVER (PARTITION BY content_key ORDER BY seen_at, article_key) AS place
    FROM contents
), shared AS (
    SELECT * FROM numbered WHERE article_count > 1
), matches AS (
    -- Of a content that very many articles have, the pairs with the first one only.
    SELECT a.article_key, b.article_key AS other_key, 'same' AS kind, 1.0::FLOAT AS jaccard, 1.0::FLOAT AS containment
    FROM shared a JOIN shared b ON b.content_key = a.content_key AND b.place > a.place
    WHERE a.article_count <= 50 OR a.place = 1
    UNION ALL
    SELECT a.article_key, b.article_key, p.kind, p.jaccard, p.containment
    FROM _store.syndication_pairs p
    JOIN contents a ON a.content_key = p.content_key
    JOIN contents b ON b.content_key = p.other_content_key
    WHERE a.article_key <> b.article_key
), pairs AS (
    -- Articles may have several contents: the nearest two count.
    SELECT least(article_key, other_key) AS article_key, greatest(article_key, other_key) AS other_key,
           max_by(kind, (jaccard, containment)) AS kind,
           max(jaccard) AS jaccard, max_by(containment, (jaccard, containment)) AS containment
    FROM matches
    GROUP BY ALL
), members AS (
    SELECT article_key FROM pairs UNION SELECT other_key FROM pairs
), own_names AS (
    -- The name of a publication is the publisher of more than half of its articles.
    SELECT source, publisher
    FROM _store.article_records
    WHERE publisher IS NOT NULL
    GROUP BY source, publisher
    QUALIFY 2 * count(*) > sum(count(*)) OVER (PARTITION BY source)
), heads AS (
    SELECT v.article_key, min(v.seen_at) AS first_seen_at, max_by(v.record_key, (v.seen_at, v.seq)) AS record_key
    FROM _store.article_versions v
    SEMI JOIN members m ON m.article_key = v.article_key
    GROUP BY v.article_key
), articles AS (
    SELECT h.article_key, r.source || ':' || r.source_article_id AS article_id, r.source, r.title, r.publisher,
           r.url, r.canonical_url, r.published_at, r.published_on, r.published_precision, h.first_seen_at,
           -- A link to itself is no origin.
           CASE WHEN r.original_url IS NOT NULL
                 AND regexp_replace(r.original_url, '^https?://|/$', '', 'g') NOT IN (
                    regexp_replace(r.url, '^https?://|/$', '', 'g'),
                    regexp_replace(r.canonical_url, '^https?://|/$', '', 'g'))
                THEN r.original_url END AS original_url,
           CASE WHEN o.publisher IS NULL THEN r.publisher END AS credit
    FROM heads h
    JOIN _store.article_records r ON r.record_key = h.record_key
    LEFT JOIN own_names o ON o.source = r.source AND o.publisher = r.publisher
), compared AS (
    -- What precedes: -1 for a, 1 for b, null if unknown.
    SELECT a, b, p.kind, p.jaccard, p.containment,
           nullif(CASE
               WHEN a.published_precision IN ('second', 'minute') AND b.published_precision IN ('second', 'minute')
               THEN CASE WHEN 'minute' IN (a.published_precision, b.published_precision)
                         THEN sign(epoch(date_trunc('minute', a.published_at))
                                   - epoch(date_trunc('minute', b.published_at)))
                         ELSE sign(epoch_us(a.published_at) - epoch_us(b.published_at)) END
               WHEN 'unknown' NOT IN (a.published_precision, b.published_precision)
               THEN sign(a.published_on - b.published_on)
           END, 0) AS published_order,
           nullif(sign(epoch_us(a.first_seen_at) - epoch_us(b.first_seen_at)), 0) AS seen_order,
           coalesce(published_order, seen_order, CASE WHEN a.article_id < b.article_id THEN -1 ELSE 1 END) AS order_of_both
    FROM pairs p
    JOIN articles a ON a.article_key = p.article_key
    JOIN articles b ON b.article_key = p.other_key
), ordered AS (
    SELECT CASE WHEN order_of_both < 0 THEN a ELSE b END AS a,
           CASE WHEN order_of_both < 0 THEN b ELSE a END AS b,
           kind, jaccard, containment,
           published_order IS NOT NULL AS is_published_order,
           seen_order * order_of_both AS seen_order  -- 1: a was seen first
    FROM compared
), declared AS (
    SELECT *,
           CASE WHEN b.original_url IS NOT NULL
                THEN regexp_replace(b.original_url, '^https?://|/$', '', 'g') IN (
                    regexp_replace(a.url, '^https?://|/$', '', 'g'),
                    regexp_replace(a.canonical_url, '^https?://|/$', '', 'g')) END AS is_from_a,
           CASE WHEN a.original_url IS NOT NULL
                THEN regexp_replace(a.original_url, '^https?://|/$', '', 'g') IN (
                    regexp_replace(b.url, '^https?://|/$', '', 'g'),
                    regexp_replace(b.canonical_url, '^https?://|/$', '', 'g')) END AS is_from_b,
           CASE WHEN is_from_b AND is_from_a IS DISTINCT FROM TRUE THEN a.original_url
                ELSE coalesce(b.original_url, a.original_url) END AS original_link,
           CASE WHEN a.credit IS NULL OR b.credit IS NULL OR a.credit = b.credit
                THEN coalesce(b.credit, a.credit) END AS credit_line
    FROM ordered
)
SELECT a.article_id AS article_id, b.article_id AS other_article_id,
       a.source AS source, b.source AS other_source,
       kind, jaccard, containment,
       a.title AS title, b.title AS other_title,
       a.publisher AS publisher, b.publisher AS other_publisher,
       a.published_at AS published_at, b.published_at AS other_published_at,
       CASE WHEN is_published_order THEN a.article_id END AS published_first,
       a.first_seen_at AS first_seen_at, b.first_seen_at AS other_first_seen_at,
       CASE WHEN seen_order > 0 THEN a.article_id WHEN seen_order < 0 THEN b.article_id END AS seen_first,
       coalesce(original_link, credit_line) AS declared_origin,
       CASE WHEN original_link IS NOT NULL THEN 'original_link'
            WHEN credit_line IS NOT NULL THEN 'credit_line' END AS declared_by,
       CASE WHEN is_from_a THEN a.article_id
            WHEN is_from_b THEN b.article_id
            WHEN original_link IS NOT NULL OR credit_line IS NULL THEN NULL
            WHEN a.credit IS NULL AND a.publisher = credit_line THEN a.article_id
            WHEN b.credit IS NULL AND b.publisher = credit_line THEN b.article_id END AS origin_article_id
FROM declared;

COMMENT ON VIEW syndication IS 'One row per pair of articles with the same or nearly the same text; revisions of one article are no pair';

-- DuckLake has no comments on the columns of views; copydesk leaves these out there.
COMMENT ON COLUMN syndication.article_id IS 'The earlier article: published first; seen first where that is unknown';
COMMENT ON COLUMN syndication.other_article_id IS 'The later article';
COMMENT ON COLUMN syndication.source IS 'Source of the earlier article';
COMMENT ON COLUMN syndication.other_source IS 'Source of the later article';
COMMENT ON COLUMN syndication.kind IS 'same: equal text; near: jaccard from 0.6; excerpt: one text has at least 0.9 of the other and is much longer; rewritten: less in common';
COMMENT ON COLUMN syndication.jaccard IS 'Runs of five characters that both texts have, divided by those that either has; 0 to 1';
COMMENT ON COLUMN syndication.containment IS 'Runs of five characters that both texts have, divided by those of the shorter text; 0 to 1';
COMMENT ON COLUMN syndication.title IS 'Current title of the earlier article';
COMMENT ON COLUMN syndication.other_title IS 'Current title of the later article';
COMMENT ON COLUMN syndication.publisher IS 'Publication that the earlier article names';
COMMENT ON COLUMN syndication.other_publisher IS 'Publication that the later article names';
COMMENT ON COLUMN syndication.published_at IS 'When the earlier article was published (UTC)';
COMMENT ON COLUMN syndication.other_published_at IS 'When the later article was published (UTC)';
COMMENT ON COLUMN syndication.published_first IS 'article_id of the article that was published first; null if unknown: equal times, no time, or the same day where one has no time of day';
COMMENT ON COLUMN syndication.first_seen_at IS 'When copydesk first saw the earlier article; for an imported post, the time of its file';
COMMENT ON COLUMN syndication.other_first_seen_at IS 'When copydesk first saw the later article';
COMMENT ON COLUMN syndication.seen_first IS 'article_id of the article that copydesk saw first; null if both at once';
COMMENT ON COLUMN syndication.declared_origin IS 'Origin that one of the articles declares: its original link, else the publication in its credit line; null if none, or if two credit lines differ';
COMMENT ON COLUMN syndication.declared_by IS 'original_link or credit_line: what declares the origin';
COMMENT ON COLUMN syndication.origin_article_id IS 'Which of the two articles the declared origin is; null if it is neither';
