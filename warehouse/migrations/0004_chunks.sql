-- What long runs (a backfill) still have to do, so that a killed one goes on where it was.
-- A schema of its own: this is work, no part of the corpus, and may be dropped at any time.
CREATE SCHEMA IF NOT EXISTS _work;

-- One row per piece of a plan.
CREATE TABLE _work.chunks (
    plan_key UUID        NOT NULL,  -- of plan
    plan     VARCHAR     NOT NULL,  -- what was asked for, in words; the same words, the same plan
    source   VARCHAR     NOT NULL,
    n        INTEGER     NOT NULL,  -- its number in the plan, from 1
    kind     VARCHAR     NOT NULL,
    what     VARCHAR     NOT NULL,  -- what is in it, in words
    spec     VARCHAR     NOT NULL,  -- JSON: all that is needed to do it
    entries  INTEGER     NOT NULL,
    state    VARCHAR     NOT NULL,  -- waiting, done, or incomplete: done but for pages that did not come
    made_at  TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    run_id   VARCHAR     NOT NULL   -- the run that made it, then the one that ended it
);
