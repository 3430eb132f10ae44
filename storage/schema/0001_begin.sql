-- SPDX-License-Identifier: Apache-2.0
-- The first schema. One board = one schema; it is the first on the search_path when this runs.
--
-- Order of columns: eight-byte ones first, then four, then two, then what has no alignment, so that
-- the rows that are written most stay narrow. Documents are `json`, not `jsonb`: the text is kept to
-- the letter. There are no foreign keys: each would take a lock on the job's row for every row that
-- is written beside it, and what must hold between tables is written by one statement anyway.

CREATE TYPE job_state AS ENUM ('READY', 'RUNNING', 'REVERTING', 'WAITING', 'SUSPENDED',
    'SUCCESS', 'FAILURE', 'REVERTED', 'CANCELLED', 'QUARANTINED');
CREATE TYPE task_state AS ENUM ('PENDING', 'RUNNING', 'WAITING', 'RETRYING', 'SUCCESS', 'FAILURE',
    'REVERTING', 'REVERTED', 'REVERT_FAILURE', 'SKIPPED');

-- One row, which ties this schema to one board in ZooKeeper.
CREATE TABLE board (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    board       uuid NOT NULL DEFAULT gen_random_uuid(),
    shard_count integer NOT NULL DEFAULT 64 CHECK (shard_count BETWEEN 1 AND 4096),
    lease_seen  timestamptz            -- when an engine with a good lease was last here
);
INSERT INTO board DEFAULT VALUES;

-- Definitions by content: a job keeps the one it was posted with.
CREATE TABLE flows (
    hash bytea PRIMARY KEY,            -- sha256 of the name, a newline and the text
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    text text NOT NULL,
    at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE boots (
    boot           uuid PRIMARY KEY,   -- one ZooKeeper session of an engine
    began_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    pid            integer NOT NULL,
    supervisor_pid integer,            -- null: none
    name           text NOT NULL,      -- of the engine
    host           text NOT NULL
);

-- What decides who may do what. Every claim, save and state flip writes this row, so it is narrow.
CREATE TABLE jobs (
    epoch         bigint NOT NULL DEFAULT 0,      -- claim number; 0: never claimed
    save_no       bigint NOT NULL DEFAULT 0,      -- saves applied so far, under any claim
    inbox_seq     bigint NOT NULL DEFAULT 0,      -- inbox rows received
    inbox_applied bigint NOT NULL DEFAULT 0,      -- of these, applied
    ready_at      timestamptz NOT NULL,           -- newest move to READY; names the card
    posted_at     timestamptz NOT NULL,
    started_at    timestamptz,                    -- first claim
    ended_at      timestamptz,                    -- newest move to a final state
    changed_at    timestamptz NOT NULL,           -- newest change of state or owner
    hold_until    timestamptz,                    -- nobody but the owner may claim it before
    wake_at       timestamptz,                    -- WAITING: when it wakes by itself
    state         job_state NOT NULL,
    history_seq   integer NOT NULL DEFAULT 0,     -- number of its last history line
    unclean       integer NOT NULL DEFAULT 0,     -- claims in a row that met it claimed
    deaths        integer NOT NULL DEFAULT 0,     -- engines that proven died of it
    format        integer NOT NULL DEFAULT 1,     -- an engine leaves a higher one alone
    shard         smallint NOT NULL CHECK (shard BETWEEN 0 AND 4095),
    priority      smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    id            uuid PRIMARY KEY,
    claim         uuid,                           -- of the last claim; stays after its end
    owner         uuid,                           -- boot of the last claim; stays after its end
    flow          bytea NOT NULL,                 -- flows.hash
    pool          text NOT NULL CHECK (pool ~ '^(-|[0-9a-f]{16})$'),
    tags          text[] NOT NULL DEFAULT '{}',   -- an engine must have all of them
    key           text CHECK (octet_length(key) BETWEEN 1 AND 255)
) WITH (
    -- A save that leaves the state as it is changes no indexed value and is HOT if its page has
    -- room; dead versions are pruned when the page is next visited, so a third of room is enough.
    fillfactor = 65,
    -- The dead versions of state flips are also in the indexes: vacuum often and without pauses.
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- A flip of the state is not HOT, whatever we do: the state stands in the predicates below. It
-- enters the new version in the primary key and in those partial indexes that it belongs to.
--
-- jobs_ready: the first W rows of a shard by (priority, ready_at), among a million: each shard's
-- engine asks for them every second. A move to READY pays one entry.
CREATE INDEX jobs_ready ON jobs (pool, shard, priority, ready_at, id) WHERE state = 'READY';
-- jobs_claimed: all claimed rows of a shard, and those of one owner. It holds no more rows than
-- engines have slots, so one index serves both questions. A claim pays one entry; an end pays none.
CREATE INDEX jobs_claimed ON jobs (pool, shard, owner) WHERE state IN ('RUNNING', 'REVERTING');
-- jobs_key: two posts with one key meet here. Only jobs that have a key pay.
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE key IS NOT NULL;

-- The documents of a job, apart from the row that is written all the time.
CREATE TABLE payloads (
    job     uuid PRIMARY KEY,
    input   json NOT NULL,
    output  json,
    failure json
) WITH (fillfactor = 90);
-- People name a job by the last hex digits of its id. This finds them by the last three bytes;
-- it stands here and not at jobs because here a row is entered once in its life.
CREATE INDEX payloads_ending ON payloads (substring(uuid_send(job) FROM 14 FOR 3));

-- A task as it is now: one row per task, and per item or round of it. Written twice per attempt at
-- most, and HOT, since no index knows the state; hence the room.
CREATE TABLE tasks (
    epoch      bigint NOT NULL,        -- claim under which its verb last began
    started_at timestamptz,            -- newest beginning
    ended_at   timestamptz,
    state      task_state NOT NULL,
    attempt    integer NOT NULL CHECK (attempt >= 0),
    job        uuid NOT NULL,
    path       text NOT NULL,
    engine     text,                   -- name of the engine where it last began
    result     json,
    failure    json,
    internal   json,                   -- the engine's own notes: counters, values of a retry
    PRIMARY KEY (job, path)
) WITH (
    fillfactor = 75,
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);

-- The end of what a step wrote to stderr, per attempt. Most attempts write nothing.
CREATE TABLE stderrs (
    at      timestamptz NOT NULL,
    attempt integer NOT NULL,
    job     uuid NOT NULL,
    path    text NOT NULL,
    tail    text NOT NULL,
    PRIMARY KEY (job, path, attempt)
);

-- What happened to a job, in order. Only ever appended to.
CREATE TABLE history (
    at      timestamptz NOT NULL,
    epoch   bigint NOT NULL,
    seq     integer NOT NULL,          -- 1, 2, 3 … without gaps
    attempt integer NOT NULL,          -- 0 for a line of the job itself
    job     uuid NOT NULL,
    state   text NOT NULL,             -- that was entered: a job_state, or with a task a task_state
    task    text,                      -- path; null: the job itself
    engine  text,
    detail  text,
    PRIMARY KEY (job, seq)
) WITH (
    autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.1
);

-- What reached a job from outside, in the order of its number.
CREATE TABLE inbox (
    seq  bigint NOT NULL,              -- jobs.inbox_seq when it came
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    job  uuid NOT NULL,
    id   uuid NOT NULL UNIQUE,         -- chosen by its sender: the same again gets the first answer
    kind text NOT NULL,
    task text,
    data json,
    PRIMARY KEY (job, seq)
);
