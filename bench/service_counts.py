# SPDX-License-Identifier: Apache-2.0
"""What was really written, as the two services themselves know it: Postgres' statistics of tables,
and ZooKeeper's own log of transactions, which is read as it lies on disk."""
import pathlib
import struct
import time
from collections import Counter

CREATES = {1: "create", 15: "create", 19: "create", 20: "create", 21: "create"}
DELETE, SET_DATA, CHECK, MULTI, CLOSE_SESSION = 2, 5, 13, 14, -11
FILE_HEAD, ENTRY_HEAD, TXN_HEAD = struct.Struct(">4sIq"), struct.Struct(">qI"), struct.Struct(">qiqqi")
SETTLE_S = 20           # a backend tells the statistics of its tables up to 10 s late

PER_JOB_TABLES = ("jobs", "payloads", "tasks", "history", "stderrs", "inbox")

TABLES_SQL = """SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd
    FROM pg_stat_user_tables WHERE schemaname = %s"""


# ---------------------------------------------------------------------------------------- Postgres

def tables(cursor, schema):
    """'<table> insert|update|delete' -> rows since ever; updates that were HOT apart."""
    cursor.execute(TABLES_SQL, (schema,))
    rows, hot = Counter(), Counter()
    for name, inserted, updated, deleted, hot_updated in cursor.fetchall():
        rows.update({f"{name} insert": inserted, f"{name} update": updated, f"{name} delete": deleted})
        hot[f"{name} update"] = hot_updated
    return rows, hot


def told_all(cursor, schema, rows):
    """Whether the statistics know of every row that the tables hold."""
    for table in PER_JOB_TABLES:
        cursor.execute(f'SELECT count(*) FROM "{schema}"."{table}"')
        if rows[f"{table} insert"] - rows[f"{table} delete"] < cursor.fetchone()[0]:
            return False
    return True


def settled_tables(cursor, schema):
    """The counts of tables that are at rest, once every backend told what it wrote: as all that a
    backend wrote is told at one time, its updates are told when its inserts are."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        rows, hot = tables(cursor, schema)
        if told_all(cursor, schema, rows):
            return rows, hot
        if time.monotonic() > deadline:
            raise SystemExit(f"the statistics of {schema} do not settle: {rows}")
        time.sleep(0.1)


# --------------------------------------------------------------------------------------- ZooKeeper

def text_at(data, at):
    (length,) = struct.unpack_from(">i", data, at)
    return data[at + 4:at + 4 + max(length, 0)].decode()


class TransactionLog:
    """Reads what a server logged since the last look. `multis` are the multis that wrote jobs:
    a Counter of what each did."""

    def __init__(self, data_dir, board):
        self.folder, self.root = pathlib.Path(data_dir) / "version-2", f"/jobboard/{board}/"
        self.offsets = {}

    def files(self):
        return sorted(self.folder.glob("log.*"), key=lambda path: int(path.name[4:], 16))

    def entries(self):
        for path in self.files():
            with open(path, "rb") as stream:
                data = stream.read()
            at = self.offsets.get(path, FILE_HEAD.size)
            while at + ENTRY_HEAD.size <= len(data):
                _, length = ENTRY_HEAD.unpack_from(data, at)
                end = at + ENTRY_HEAD.size + length
                if length == 0 or end + 1 > len(data) or data[end:end + 1] != b"B":
                    break               # what was allocated ahead, or is being written
                yield data[at + ENTRY_HEAD.size:end]
                at = end + 1
            self.offsets[path] = at

    def what(self, kind, data):
        """'card create', 'lock delete' … or None."""
        if kind not in CREATES and kind != DELETE:
            return None
        path = text_at(data, 0)
        parts = path[len(self.root):].split("/") if path.startswith(self.root) else []
        action = CREATES.get(kind, "delete")
        if len(parts) == 4 and parts[0] == "jobs":
            return f"card {action}"
        if len(parts) == 3 and parts[0] == "locks":
            return f"lock {action}"
        return None

    def operations(self, kind, data):
        if kind != MULTI:
            yield kind, data
            return
        (count,), at = struct.unpack_from(">i", data, 0), 4
        for _ in range(count):
            sub_kind, length = struct.unpack_from(">ii", data, at)
            yield sub_kind, data[at + 8:at + 8 + length]
            at += 8 + length

    def read(self):
        """(znodes written by what was done, list of multis)."""
        znodes, multis = Counter(), []
        for entry in self.entries():
            *_, kind = TXN_HEAD.unpack_from(entry, 0)
            if kind not in CREATES and kind not in (DELETE, MULTI):
                continue
            done = Counter(filter(None, (self.what(*operation) for operation in
                                         self.operations(kind, entry[TXN_HEAD.size:]))))
            znodes += done
            if kind == MULTI and done:
                multis.append(done)
        return znodes, multis
