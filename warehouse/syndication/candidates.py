"""Which stored contents new ones may be alike: those that share enough fingerprints and numbers.

Every text that has to be compared is read from a compressed column, so that few remain: of a daily
template the numbers differ, and the fingerprints that very many contents have are not stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from duckdb import DuckDBPyConnection

from warehouse import stage

MAX_DOCS = 64
"""A fingerprint that more contents have belongs to a phrase or a template and finds nothing."""

# How many contents one content is compared with; those that share most come first.
_MAX_CANDIDATES = 32

# The estimates of a short text are coarse. So texts are compared from an estimated containment of
# 0.25 on, although a pair has 0.52 at least, and from 0.35 of the numbers, although it has 0.5.
_HITS = """
    CREATE OR REPLACE TEMP TABLE copydesk_hits AS
    SELECT p.print, p.doc
    FROM _store.syndication_prints p
    SEMI JOIN copydesk_prints k ON p.print = k.print
"""
_COMMON = f"""
    INSERT INTO _store.syndication_common BY NAME
    SELECT print FROM copydesk_hits GROUP BY print HAVING count(*) > {MAX_DOCS}
"""  # noqa: S608
_CANDIDATES = f"""
    WITH shared AS (
        SELECT k.doc, h.doc AS other, count(*) AS print_count
        FROM copydesk_hits h JOIN copydesk_prints k ON k.print = h.print
        WHERE h.doc < k.doc
        GROUP BY ALL
        HAVING count(*) >= 2
    ), sized AS (
        SELECT s.doc, s.other, o.content_seq, o.numbers AS other_numbers, k.numbers,
               s.print_count / greatest(1, least(
                   k.print_count >> greatest(o.level::INTEGER - k.level, 0),
                   o.print_count >> greatest(k.level::INTEGER - o.level, 0))) AS share
        FROM shared s
        JOIN copydesk_docs k ON k.doc = s.doc
        JOIN _store.syndication_docs o ON o.doc = s.other
    )
    SELECT doc, content_seq
    FROM sized
    WHERE share >= 0.25
      AND bit_count(numbers & other_numbers) >= 0.35 * least(bit_count(numbers), bit_count(other_numbers))
    QUALIFY row_number() OVER (PARTITION BY doc ORDER BY share DESC, other DESC) <= {_MAX_CANDIDATES}
    ORDER BY ALL
"""  # noqa: S608

_ROWS = """
    SELECT c.rowid FROM _store.contents c JOIN copydesk_seqs k ON c.seq = k.seq ORDER BY ALL
"""
# DuckDB skips what no row of a list of up to 50 needs, else what is outside its first and last row.
_LIST = 40
_NEIGHBOURS = 4096


def find_candidates(db: DuckDBPyConnection) -> list[tuple[int, int]]:
    """Return pairs to compare: a doc, and the sequence number of the content of an earlier one.

    Reads the fingerprints ``copydesk_prints`` and documents ``copydesk_docs``, which are stored.
    """
    db.execute(_HITS)
    db.execute(_COMMON)
    found = db.execute(_CANDIDATES).fetchall()
    db.execute("DROP TABLE copydesk_hits")
    return found


def texts_of(db: DuckDBPyConnection, seqs: Sequence[int]) -> dict[int, str]:
    """Return the texts of some contents by sequence number.

    DuckDB unpacks 2,048 texts to return one of them, so that only their neighbours are cheap.
    """
    if not seqs:
        return {}
    with stage.staged(db, "copydesk_seqs", stage.table(seq=(seqs, stage.WHOLE))):
        rows = [row for (row,) in db.execute(_ROWS).fetchall()]
    texts: dict[int, str] = {}
    for part in _parts(rows):
        listed = ", ".join(map(str, part))
        texts |= dict(
            db.execute(
                "SELECT seq, text FROM _store.contents "  # noqa: S608
                f"WHERE rowid IN (SELECT unnest([{listed}]))"
            ).fetchall()
        )
    return texts


def _parts(rows: Sequence[int]) -> Iterator[list[int]]:
    """Split sorted row numbers into lists that are short, or all neighbours."""
    part: list[int] = []
    for row in rows:
        if part and len(part) >= _LIST and row - part[0] >= _NEIGHBOURS:
            yield part
            part = []
        part.append(row)
    if part:
        yield part
