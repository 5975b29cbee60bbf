-- Health: what each run found per channel, and the findings about it. One row per channel and day
-- keeps the history small: a run that finds nothing new changes numbers of existing rows only.

-- One row per source, channel and day of the source's time zone.
CREATE TABLE _store.channel_days (
    source                  VARCHAR NOT NULL,
    channel                 VARCHAR NOT NULL,
    day                     DATE    NOT NULL,
    run_count               INTEGER NOT NULL,
    read_count              INTEGER NOT NULL,  -- runs that could read the listing
    min_entry_count         INTEGER,           -- null: the listing was not read
    max_entry_count         INTEGER,
    new_count               INTEGER NOT NULL,  -- articles seen in the channel for the first time
    move_count              INTEGER NOT NULL,  -- runs with a new article
    longest_silence_seconds BIGINT  NOT NULL,  -- of the silences that ended on this day
    silence_seconds         BIGINT  NOT NULL,  -- their sum
    silence_squares         DOUBLE  NOT NULL,  -- the sum of their squares
    parsed_count            INTEGER NOT NULL,  -- articles that were read
    failed_count            INTEGER NOT NULL,  -- pages that could not be parsed
    fields                  VARCHAR NOT NULL,  -- JSON: per field how often present, and its provenance
    lengths                 VARCHAR NOT NULL   -- JSON: sums of the logarithms of text lengths
);

-- One row per source and channel: where its statistics stand.
CREATE TABLE _store.channel_states (
    source        VARCHAR     NOT NULL,
    channel       VARCHAR     NOT NULL,
    since         TIMESTAMPTZ NOT NULL,  -- earlier days do not count as its past
    last_read_at  TIMESTAMPTZ,           -- last time the listing could be read
    last_new_at   TIMESTAMPTZ,           -- last time it had a new article
    entry_count   INTEGER,               -- entries at last_read_at
    recent        VARCHAR     NOT NULL   -- JSON: digests and sizes of its last pages
);

-- One row per source: its health at the end of its last sync.
CREATE TABLE _store.source_health (
    source                VARCHAR     NOT NULL,
    state                 VARCHAR     NOT NULL,  -- ok, learning, warning or silent
    learning              VARCHAR[]   NOT NULL,  -- what its normal values still need
    evaluated_at          TIMESTAMPTZ NOT NULL,
    run_id                VARCHAR     NOT NULL,
    last_new_at           TIMESTAMPTZ,
    silence_limit_seconds BIGINT,                -- null while it is learned
    new_in_7_days         INTEGER     NOT NULL,
    normal_in_7_days      DOUBLE,                -- null while it is learned
    coverage              VARCHAR     NOT NULL   -- JSON: share of articles with each field
);

-- One row per deviation from the first run that found it to the first run without it.
CREATE TABLE _store.health_findings (
    finding_key UUID        NOT NULL,  -- of source, channel, kind, field, opened_at
    source      VARCHAR     NOT NULL,
    channel     VARCHAR     NOT NULL,  -- empty: all channels
    kind        VARCHAR     NOT NULL,
    field       VARCHAR     NOT NULL,  -- empty: no field of the article
    expected    VARCHAR     NOT NULL,
    found       VARCHAR     NOT NULL,
    since       TIMESTAMPTZ,           -- last time it was normal
    opened_at   TIMESTAMPTZ NOT NULL,
    run_id      VARCHAR     NOT NULL,  -- the run that opened it
    closed_at   TIMESTAMPTZ,
    closed_by   VARCHAR                -- a run, or 'accepted' by an operator
);

CREATE VIEW health_findings AS
SELECT CAST(finding_key AS VARCHAR) AS finding_id, source, channel, kind, field, expected, found,
       since, opened_at, run_id, closed_at, closed_by
FROM _store.health_findings;

COMMENT ON VIEW health_findings IS 'One row per deviation of a source from its normal, open until a run finds it normal again';

CREATE VIEW channel_days AS
SELECT source, channel, day, run_count, read_count, min_entry_count, max_entry_count, new_count,
       longest_silence_seconds / 3600.0 AS longest_silence_hours, parsed_count, failed_count,
       fields::JSON AS fields
FROM _store.channel_days;

COMMENT ON VIEW channel_days IS 'One row per source, channel and day: volume, silence, and which provenance supplied each field';

CREATE OR REPLACE VIEW sources AS
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
), deviating AS (
    SELECT source, count(*) FILTER (closed_at IS NULL) AS open_finding_count
    FROM _store.health_findings
    GROUP BY source
)
SELECT source, last_success_at, last_new_article_at,
       coalesce(article_count, 0) AS article_count,
       coalesce(open_quarantine_count, 0) AS open_quarantine_count,
       coalesce(open_gap_count, 0) AS open_gap_count,
       h.state AS health, h.learning, h.evaluated_at AS health_at,
       h.silence_limit_seconds / 3600.0 AS normal_silence_hours,
       h.new_in_7_days AS new_articles_7_days, h.normal_in_7_days AS normal_articles_7_days,
       h.coverage::JSON AS field_coverage,
       coalesce(open_finding_count, 0) AS open_finding_count
FROM stored
FULL JOIN succeeded USING (source)
FULL JOIN failing USING (source)
FULL JOIN missed USING (source)
FULL JOIN deviating USING (source)
FULL JOIN _store.source_health h USING (source);

COMMENT ON VIEW sources IS 'One row per source: its last success, last new article, health, and what is open';
