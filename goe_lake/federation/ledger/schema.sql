-- The ledger of one node. `log` is the truth and is only ever appended to; `held` keeps cells that wait
-- for the officer, `noisy` those that are repeated as they were drawn.
CREATE TABLE ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    ledger_id TEXT NOT NULL,
    node_id TEXT NOT NULL
) STRICT;

CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    project TEXT NOT NULL,
    analyst TEXT NOT NULL,
    query_id TEXT NOT NULL,
    release TEXT NOT NULL,
    cells INTEGER NOT NULL,
    rare_sites INTEGER NOT NULL,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;

CREATE INDEX log_by_account ON log (account, at);
CREATE INDEX log_by_project ON log (project, kind);
CREATE TRIGGER log_is_not_changed BEFORE UPDATE ON log BEGIN SELECT raise(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_not_cut BEFORE DELETE ON log BEGIN SELECT raise(ABORT, 'the log is append-only'); END;

CREATE TABLE held (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    project TEXT NOT NULL,
    analyst TEXT NOT NULL,
    query_id TEXT NOT NULL,
    release TEXT NOT NULL,
    basis TEXT NOT NULL,      -- digest of what the cells were computed from
    shape TEXT NOT NULL,
    tally TEXT NOT NULL,
    receipt TEXT NOT NULL,
    cells BLOB NOT NULL       -- an Arrow stream
) STRICT;

CREATE INDEX held_by_release ON held (project, release, basis);

CREATE TABLE noisy (
    account TEXT NOT NULL,
    release TEXT NOT NULL,
    rules TEXT NOT NULL,      -- digest of the data and the rules that the noise was drawn for
    cells BLOB NOT NULL,      -- an Arrow stream
    receipt TEXT NOT NULL,
    spread TEXT NOT NULL,
    PRIMARY KEY (account, release, rules)
) STRICT;
