-- What the overlap audit keeps. Persons have a number at the node that outlasts snapshots and batches;
-- selections are compressed bitmaps over those numbers; values are whole numbers as text.
CREATE TABLE IF NOT EXISTS overlap_persons (
    number INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS overlap_selections (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    persons INTEGER NOT NULL,
    code TEXT NOT NULL,        -- what each of them adds; 0 where they differ, then `body` has a code a person
    body BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS overlap_askers (
    project TEXT NOT NULL,
    analyst TEXT NOT NULL,
    PRIMARY KEY (project, analyst)
) STRICT;

CREATE TABLE IF NOT EXISTS overlap_cells (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    quantity TEXT NOT NULL,
    selection INTEGER NOT NULL REFERENCES overlap_selections (id),
    value TEXT NOT NULL,
    text TEXT NOT NULL         -- digest of the words that asked for it, the snapshot among them
) STRICT;

CREATE INDEX IF NOT EXISTS overlap_cells_of_project ON overlap_cells (project, id);

CREATE TABLE IF NOT EXISTS overlap_site_lists (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS overlap_site_cells (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    weights TEXT NOT NULL,     -- what a person adds by genotype class; [] where values are by class, [0] beneath
    selection INTEGER NOT NULL REFERENCES overlap_selections (id),
    sites INTEGER NOT NULL REFERENCES overlap_site_lists (id),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    "values" BLOB NOT NULL,    -- in the order of the sites, -1 where not told
    text TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS overlap_site_cells_of_project ON overlap_site_cells (project, weights, id);

-- Released tables of frequencies whose rows are among the cells above, contig by contig
CREATE TABLE IF NOT EXISTS overlap_releases (
    release TEXT NOT NULL,     -- the digest of its content
    contig TEXT NOT NULL,
    is_kept INTEGER NOT NULL,  -- 0 where its snapshot was gone, so that nobody knows who is behind it
    PRIMARY KEY (release, contig)
) STRICT;

-- Of which snapshot, and of whose consent, the parts are that are hidden in sums over all nodes
CREATE TABLE IF NOT EXISTS overlap_sealed (
    project TEXT PRIMARY KEY,
    basis TEXT NOT NULL
) STRICT;
