-- The tables behind the views. Only SQL that also runs on DuckLake: no keys, indexes,
-- sequences, enums, checks, RETURNING or HUGEINT. DuckLake drops the compression of long texts.
-- The upsert keeps rows unique, because every write transaction updates write_sequence first.
--
-- A *_key is a UUID: the first 16 bytes of the SHA-256 of what its comment names. A *_tag is the
-- first 32 bits of its key (64 bits for a record): a batch is looked up by tags, which are smaller.

-- One row. Every write transaction updates it first, so that two never overlap.
CREATE TABLE _store.write_sequence (
    warehouse_id UUID   NOT NULL,  -- identity of this warehouse, chosen once
    last_seq     BIGINT NOT NULL   -- write transactions so far
);
INSERT INTO _store.write_sequence VALUES (uuid(), 0);

-- One row per content hash: the text, and the first body that had it.
CREATE TABLE _store.contents (
    content_tag   UINTEGER    NOT NULL,
    content_key   UUID        NOT NULL,  -- of the content hash: its own first 16 bytes
    content_hash  VARCHAR     NOT NULL,
    body_key      UUID        NOT NULL,  -- of body_html and text exactly
    body_html     VARCHAR     NOT NULL USING COMPRESSION zstd,
    text          VARCHAR     NOT NULL USING COMPRESSION zstd,
    first_seen_at TIMESTAMPTZ NOT NULL,
    seq           BIGINT      NOT NULL,  -- unique, in the order of storing
    run_id        VARCHAR     NOT NULL
);

-- One row per distinct state of an article: all its columns, body included.
CREATE TABLE _store.article_records (
    record_key                UUID        NOT NULL,  -- of every column below but run_id
    article_key               UUID        NOT NULL,  -- of article_id
    content_key               UUID        NOT NULL,
    source                    VARCHAR     NOT NULL,
    source_article_id         VARCHAR     NOT NULL,
    url                       VARCHAR     NOT NULL,
    canonical_url             VARCHAR     NOT NULL,
    title                     VARCHAR     NOT NULL,  -- exact: the content hash ignores punctuation
    authors                   VARCHAR[]   NOT NULL,
    publisher                 VARCHAR,
    published_at              TIMESTAMPTZ,
    published_raw             VARCHAR     NOT NULL,
    published_precision       VARCHAR     NOT NULL,
    published_timezone_source VARCHAR     NOT NULL,
    updated_at                TIMESTAMPTZ,
    categories                VARCHAR[]   NOT NULL,
    tags                      VARCHAR[]   NOT NULL,
    language                  VARCHAR,
    lead_image                VARCHAR,
    body_html                 VARCHAR USING COMPRESSION zstd,  -- null: the same as the content's
    text                      VARCHAR USING COMPRESSION zstd,  -- null: the same as the content's
    parser                    VARCHAR     NOT NULL,
    parser_version            VARCHAR     NOT NULL,
    provenance                VARCHAR     NOT NULL USING COMPRESSION zstd,
    original_url              VARCHAR,
    run_id                    VARCHAR     NOT NULL
);

-- One row per time an article changed to a record, in the order of seen_at, seq.
-- Neighbours may have the same record. The last one is current.
CREATE TABLE _store.article_versions (
    article_tag UINTEGER    NOT NULL,
    record_tag  UBIGINT     NOT NULL,
    article_key UUID        NOT NULL,
    content_key UUID        NOT NULL,
    record_key  UUID        NOT NULL,
    seen_at     TIMESTAMPTZ NOT NULL,
    seq         BIGINT      NOT NULL,  -- unique, in the order of storing
    run_id      VARCHAR     NOT NULL
);

-- One row per sighting, only appended; compact merges neighbours.
CREATE TABLE _store.sightings (
    article_key   UUID        NOT NULL,
    content_key   UUID        NOT NULL,
    channel       VARCHAR     NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    last_seen_at  TIMESTAMPTZ NOT NULL,
    run_id        VARCHAR     NOT NULL
);

-- One row per imported file, with its bytes.
CREATE TABLE _store.posts (
    post_key      UUID        NOT NULL,  -- of article_id, path and data
    article_key   UUID        NOT NULL,
    content_key   UUID        NOT NULL,
    record_key    UUID        NOT NULL,
    dialect       VARCHAR     NOT NULL,
    path          VARCHAR     NOT NULL,
    data          BLOB        NOT NULL USING COMPRESSION zstd,
    first_seen_at TIMESTAMPTZ NOT NULL,
    seq           BIGINT      NOT NULL,
    run_id        VARCHAR     NOT NULL
);

-- One row per fetch.
CREATE TABLE _store.fetches (
    url_key         UUID        NOT NULL,  -- of url
    source          VARCHAR     NOT NULL,
    channel         VARCHAR     NOT NULL,
    url             VARCHAR     NOT NULL,
    final_url       VARCHAR     NOT NULL,
    status          INTEGER,
    attempt_count   INTEGER     NOT NULL,
    bytes           BIGINT      NOT NULL,
    etag            VARCHAR,
    last_modified   VARCHAR,
    vary            VARCHAR,
    fetched_at      TIMESTAMPTZ NOT NULL,
    archive_file    VARCHAR,
    archive_offset  BIGINT,
    listing_entry   VARCHAR     NOT NULL,  -- JSON of the listing entry that led to it, or empty
    error           VARCHAR,
    body_sha256     VARCHAR,               -- 64 hex digits
    attempt_results VARCHAR[]   NOT NULL,  -- in the order of the attempts
    retry_after_at  TIMESTAMPTZ,           -- the host's Retry-After
    run_id          VARCHAR     NOT NULL
);

-- One row per run and source.
CREATE TABLE _store.runs (
    run_id         VARCHAR     NOT NULL,
    flow           VARCHAR     NOT NULL,
    source         VARCHAR     NOT NULL,
    state          VARCHAR     NOT NULL,  -- running, completed, completed_with_warnings, failed, interrupted, crashed
    started_at     TIMESTAMPTZ NOT NULL,
    ended_at       TIMESTAMPTZ,
    discovered     BIGINT      NOT NULL,
    fetched        BIGINT      NOT NULL,
    not_modified   BIGINT      NOT NULL,
    new            BIGINT      NOT NULL,
    updated        BIGINT      NOT NULL,
    unchanged      BIGINT      NOT NULL,
    duplicate      BIGINT      NOT NULL,
    quarantined    BIGINT      NOT NULL,
    failed         BIGINT      NOT NULL,
    suppressed     BIGINT      NOT NULL,
    skipped        BIGINT      NOT NULL,
    gaps           BIGINT      NOT NULL,
    seconds        DOUBLE      NOT NULL,
    code_version   VARCHAR     NOT NULL,
    parser         VARCHAR     NOT NULL,
    parser_version VARCHAR     NOT NULL,
    messages       VARCHAR[]   NOT NULL,  -- errors and warnings
    host           VARCHAR     NOT NULL,  -- the process of the run: host, boot, pid, start
    boot           VARCHAR     NOT NULL,
    pid            BIGINT      NOT NULL,
    pid_started    VARCHAR     NOT NULL
);

-- One row per failed page, listing entry or post.
CREATE TABLE _store.quarantine (
    quarantine_key  UUID        NOT NULL,  -- of source, url, article_id (else of the page)
    source          VARCHAR     NOT NULL,
    channel         VARCHAR     NOT NULL,
    url             VARCHAR     NOT NULL,
    article_id      VARCHAR,
    reason          VARCHAR     NOT NULL,
    message         VARCHAR     NOT NULL,
    expected        VARCHAR     NOT NULL,
    found           VARCHAR     NOT NULL,
    page            BLOB        NOT NULL USING COMPRESSION zstd,
    page_more       BLOB[]      NOT NULL,  -- the article's following pages
    content_type    VARCHAR     NOT NULL,
    listing_entry   VARCHAR     NOT NULL,  -- JSON: the listing entry that led to the page, or the listing
    fetched_at      TIMESTAMPTZ NOT NULL,
    parser          VARCHAR     NOT NULL,
    parser_version  VARCHAR     NOT NULL,
    attempts        INTEGER     NOT NULL,
    first_failed_at TIMESTAMPTZ NOT NULL,
    last_failed_at  TIMESTAMPTZ NOT NULL,
    resolved_at     TIMESTAMPTZ,
    resolved_by     VARCHAR,
    run_id          VARCHAR     NOT NULL,
    alerted_at      TIMESTAMPTZ            -- when a scheduled run sent an alert for it
);

-- One row per source and channel.
CREATE TABLE _store.watermarks (
    source     VARCHAR     NOT NULL,
    channel    VARCHAR     NOT NULL,
    reached_at TIMESTAMPTZ,
    value      VARCHAR     NOT NULL,
    run_id     VARCHAR     NOT NULL
);

-- One row per interval in which entries may have been missed.
CREATE TABLE _store.gaps (
    gap_key     UUID        NOT NULL,  -- of source, channel, from_at, to_at
    source      VARCHAR     NOT NULL,
    channel     VARCHAR     NOT NULL,
    from_at     TIMESTAMPTZ,
    to_at       TIMESTAMPTZ,
    detected_by VARCHAR     NOT NULL,
    detected_at TIMESTAMPTZ NOT NULL,
    run_id      VARCHAR     NOT NULL,
    closed_at   TIMESTAMPTZ,
    closed_by   VARCHAR
);

-- One row per article, or whole source, that was deleted on request and is kept out.
CREATE TABLE _store.suppressions (
    article_key   UUID,                  -- null: the whole source
    article_id    VARCHAR,
    source        VARCHAR     NOT NULL,
    reason        VARCHAR     NOT NULL,
    suppressed_at TIMESTAMPTZ NOT NULL
);

-- One row per chunk of a backfill: what a killed one still has to do. No part of the corpus.
CREATE TABLE _store.backfill_chunks (
    plan_key    UUID        NOT NULL,  -- of plan
    plan        VARCHAR     NOT NULL,  -- the request as text: the same text is the same plan
    source      VARCHAR     NOT NULL,
    number      INTEGER     NOT NULL,  -- in the plan, from 1
    kind        VARCHAR     NOT NULL,  -- list_pages, fetch_entries, read_archive, close_gaps
    description VARCHAR     NOT NULL,
    spec        VARCHAR     NOT NULL,  -- JSON: all that the chunk needs
    entry_count INTEGER     NOT NULL,
    state       VARCHAR     NOT NULL,  -- waiting, done, incomplete (done except pages that failed)
    created_at  TIMESTAMPTZ NOT NULL,
    ended_at    TIMESTAMPTZ,
    run_id      VARCHAR     NOT NULL   -- the run that made it, then the run that ended it
);
