-- The tables behind the views. Only SQL that runs unchanged on DuckLake: no keys,
-- indexes, sequences, enums, checks, RETURNING or HUGEINT; but for the compression of long
-- texts, which DuckLake leaves to Parquet. The upsert keeps rows unique under the guard
-- row; `verify` checks that it did.
--
-- A *_key is a UUID: the first 16 bytes of the SHA-256 of what the comment names. A *_tag
-- is the first 32 bits of its key (64 for a record): what a batch is looked up by, for a
-- fraction of the bytes that keys would take to read.

-- One row. Every write transaction updates it first, so that two never overlap.
CREATE TABLE _store.guard (
    warehouse_id UUID   NOT NULL,  -- which warehouse this is, chosen once
    n            BIGINT NOT NULL   -- transactions so far
);
INSERT INTO _store.guard VALUES (uuid(), 0);

-- One row per content hash: the words, and the first body that said them.
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

-- One row per distinct description of an article: all it said of itself, body included.
CREATE TABLE _store.records (
    record_key          UUID        NOT NULL,  -- of every column below but run_id
    article_key         UUID        NOT NULL,  -- of article_id
    content_key         UUID        NOT NULL,
    source              VARCHAR     NOT NULL,
    source_article_id   VARCHAR     NOT NULL,
    url                 VARCHAR     NOT NULL,
    canonical_url       VARCHAR     NOT NULL,
    title               VARCHAR     NOT NULL,  -- exact: the hash ignores punctuation
    authors             VARCHAR[]   NOT NULL,
    publisher           VARCHAR,
    published_at        TIMESTAMPTZ,
    published_raw       VARCHAR     NOT NULL,
    published_precision VARCHAR     NOT NULL,
    published_timezone_source VARCHAR     NOT NULL,
    updated_at          TIMESTAMPTZ,
    categories          VARCHAR[]   NOT NULL,
    tags                VARCHAR[]   NOT NULL,
    language            VARCHAR,
    lead_image          VARCHAR,
    body_html           VARCHAR USING COMPRESSION zstd,  -- only where it differs from the content's:
    text                VARCHAR USING COMPRESSION zstd,  -- the same words in other markup
    parser              VARCHAR     NOT NULL,
    parser_version      VARCHAR     NOT NULL,
    provenance          VARCHAR     NOT NULL USING COMPRESSION zstd,
    original_url        VARCHAR,
    run_id              VARCHAR     NOT NULL
);

-- One row per time an article began to say a record, in the order of seen_at, seq.
-- Neighbours may say the same. The last one is current.
CREATE TABLE _store.versions (
    article_tag UINTEGER    NOT NULL,
    record_tag  UBIGINT     NOT NULL,
    article_key UUID        NOT NULL,
    content_key UUID        NOT NULL,
    record_key  UUID        NOT NULL,
    seen_at     TIMESTAMPTZ NOT NULL,
    seq         BIGINT      NOT NULL,  -- unique, in the order of storing
    run_id      VARCHAR     NOT NULL
);

-- One row per sighting, appended only; compact merges neighbours.
CREATE TABLE _store.seen (
    article_key   UUID        NOT NULL,
    content_key   UUID        NOT NULL,
    channel       VARCHAR     NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    last_seen_at  TIMESTAMPTZ NOT NULL,
    run_id        VARCHAR     NOT NULL
);

-- One row per imported file and its bytes.
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
CREATE TABLE _store.pages (
    url_key        UUID        NOT NULL,  -- of url
    source         VARCHAR     NOT NULL,
    channel        VARCHAR     NOT NULL,
    url            VARCHAR     NOT NULL,
    final_url      VARCHAR     NOT NULL,
    status         INTEGER,
    attempts       INTEGER     NOT NULL,
    bytes          BIGINT      NOT NULL,
    etag           VARCHAR,
    last_modified  VARCHAR,
    vary           VARCHAR,
    fetched_at     TIMESTAMPTZ NOT NULL,
    archive_file   VARCHAR,
    archive_offset BIGINT,
    entry          VARCHAR     NOT NULL,  -- JSON of the listing's line that led to it, or empty
    error          VARCHAR,
    digest         VARCHAR,               -- SHA-256 of the body, 64 hex digits
    tries          VARCHAR[]   NOT NULL,  -- of each request, in order: what came of it
    retry_at       TIMESTAMPTZ,           -- not before, the host said
    run_id         VARCHAR     NOT NULL
);

-- One row per run and source.
CREATE TABLE _store.runs (
    run_id         VARCHAR     NOT NULL,
    flow           VARCHAR     NOT NULL,
    source         VARCHAR     NOT NULL,
    state          VARCHAR     NOT NULL,  -- running, completed, failed, interrupted, crashed
    started_at     TIMESTAMPTZ NOT NULL,
    ended_at       TIMESTAMPTZ,
    discovered     BIGINT      NOT NULL,
    fetched        BIGINT      NOT NULL,
    not_modified   BIGINT      NOT NULL,
    new            BIGINT      NOT NULL,
    modified       BIGINT      NOT NULL,
    unmodified     BIGINT      NOT NULL,
    duplicate      BIGINT      NOT NULL,
    quarantined    BIGINT      NOT NULL,
    failed         BIGINT      NOT NULL,
    gaps           BIGINT      NOT NULL,
    forgotten      BIGINT      NOT NULL,
    seconds        DOUBLE      NOT NULL,
    code_version   VARCHAR     NOT NULL,
    parser         VARCHAR     NOT NULL,
    parser_version VARCHAR     NOT NULL,
    error          VARCHAR,
    host           VARCHAR     NOT NULL,  -- which process runs it: host, boot, pid, its start
    boot           VARCHAR     NOT NULL,
    pid            BIGINT      NOT NULL,
    pid_started    VARCHAR     NOT NULL
);

-- One row per failed page or record.
CREATE TABLE _store.quarantine (
    quarantine_key  UUID        NOT NULL,  -- of source, url, article_id (else the page)
    source          VARCHAR     NOT NULL,
    channel         VARCHAR     NOT NULL,
    url             VARCHAR     NOT NULL,
    article_id      VARCHAR,
    reason          VARCHAR     NOT NULL,
    message         VARCHAR     NOT NULL,
    expected        VARCHAR     NOT NULL,
    found           VARCHAR     NOT NULL,
    page            BLOB        NOT NULL USING COMPRESSION zstd,
    page_more       BLOB[]      NOT NULL,
    content_type    VARCHAR     NOT NULL,
    facts           VARCHAR     NOT NULL,
    fetched_at      TIMESTAMPTZ NOT NULL,
    parser          VARCHAR     NOT NULL,
    parser_version  VARCHAR     NOT NULL,
    attempts        INTEGER     NOT NULL,
    first_failed_at TIMESTAMPTZ NOT NULL,
    last_failed_at  TIMESTAMPTZ NOT NULL,
    resolved_at     TIMESTAMPTZ,
    resolved_by     VARCHAR,
    run_id          VARCHAR     NOT NULL
);

-- One row per source and channel.
CREATE TABLE _store.watermarks (
    source     VARCHAR     NOT NULL,
    channel    VARCHAR     NOT NULL,
    reached_at TIMESTAMPTZ,
    value      VARCHAR     NOT NULL,
    run_id     VARCHAR     NOT NULL
);

-- One row per stretch possibly missed.
CREATE TABLE _store.gaps (
    gap_key    UUID        NOT NULL,  -- of source, channel, from_at, to_at
    source     VARCHAR     NOT NULL,
    channel    VARCHAR     NOT NULL,
    from_at    TIMESTAMPTZ,
    to_at      TIMESTAMPTZ,
    how        VARCHAR     NOT NULL,
    noticed_at TIMESTAMPTZ NOT NULL,
    run_id     VARCHAR     NOT NULL,
    closed_at  TIMESTAMPTZ,
    closed_by  VARCHAR
);

-- One row per article, or whole source, that must not be kept.
CREATE TABLE _store.tombstones (
    article_key  UUID,                  -- null: the whole source
    article_id   VARCHAR,
    source       VARCHAR     NOT NULL,
    reason       VARCHAR     NOT NULL,
    forgotten_at TIMESTAMPTZ NOT NULL
);
