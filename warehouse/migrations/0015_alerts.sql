-- Alerts: when a source could not be read, and what was sent to which address. No part of the
-- corpus. An address holds a token, so that only its key is stored.

-- One row per time in which no listing of a source could be read.
CREATE TABLE _store.source_outages (
    outage_key UUID        NOT NULL,  -- of source, opened_at
    source     VARCHAR     NOT NULL,
    reason     VARCHAR     NOT NULL,
    opened_at  TIMESTAMPTZ NOT NULL,
    run_id     VARCHAR     NOT NULL,  -- the run that opened it
    closed_at  TIMESTAMPTZ,
    closed_by  VARCHAR                -- the first run that could read a listing again
);

-- One row per item and address, added when a server accepted the message with the item.
CREATE TABLE _store.alert_deliveries (
    address_key UUID        NOT NULL,  -- of the address
    kind        VARCHAR     NOT NULL,  -- opened, closed, digest, digest_item, query, query_row
    item_key    UUID        NOT NULL,  -- of what was sent: a finding, outage, gap, query or row
    subject     VARCHAR     NOT NULL,  -- the source or the query; empty for a digest
    sent_at     TIMESTAMPTZ NOT NULL,
    run_id      VARCHAR     NOT NULL
);
