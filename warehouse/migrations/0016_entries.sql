-- What a sync knows of the entries of listings: whether an entry changed since its page was
-- fetched, and when its page is due again.

-- One row per entry and channel, once its page was fetched or its listing carried the article.
CREATE TABLE _store.entries (
    entry_key        UUID        NOT NULL,  -- of '<source>:<id of the entry>' and channel
    article_key      UUID,                  -- the article of the page; null: the page has none
    source           VARCHAR     NOT NULL,
    channel          VARCHAR     NOT NULL,
    url              VARCHAR     NOT NULL,
    digest           UUID        NOT NULL,  -- of the values of the entry
    listing_entry    VARCHAR     NOT NULL,  -- JSON of the entry; empty when it carries its article
    first_fetched_at TIMESTAMPTZ NOT NULL,  -- the revisits of the source count from here
    last_fetched_at  TIMESTAMPTZ NOT NULL,  -- the last answer: a page, 304, 404 or 410
    failed_at        TIMESTAMPTZ,           -- the last failure since that answer
    failure_count    INTEGER     NOT NULL,  -- failures since that answer
    run_id           VARCHAR     NOT NULL   -- the run of the last answer
);
