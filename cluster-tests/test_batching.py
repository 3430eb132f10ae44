# SPDX-License-Identifier: Apache-2.0
"""Batching is counted, not assumed: what ZooKeeper's log of transactions and triggers in Postgres
show, beside what the engine says of itself when it leaves; and the engine writes no more rows and
znodes for a job than the ceiling program, which thinks nothing."""
import contextlib
import io
import os
import pathlib
import re
import signal
import sys

import pytest

from cluster import Gate, alive, flow_of, unique, until
from conftest import make_cluster

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
import check_counts                                                   # noqa: E402
from service_counts import TransactionLog                             # noqa: E402
from stage import CEILING, Stage                                      # noqa: E402

SAVES, CLAIMS = 100, 50


@pytest.fixture(scope="module")
def one_engine(witness):
    """One engine that may run all steps of the test at once."""
    yield from make_cluster(witness, engines=1, session_timeout_ms=6000,
                            engine_options=("--processes", "128"))


@contextlib.contextmanager
def statements_counted(cluster, condition):
    """A list that afterwards holds, per UPDATE of jobs, how many rows fulfil the condition."""
    name, found = unique("counted"), []
    cluster.query(f"CREATE TABLE {name} (at timestamptz, rows bigint)")
    cluster.query(f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO {cluster.env["JOBBOARD_SCHEMA"]}.{name}
            SELECT clock_timestamp(), count(*) FROM now_rows now JOIN old_rows before USING (id)
            WHERE {condition};
        RETURN NULL; END $$""")
    cluster.query(f"CREATE TRIGGER {name} AFTER UPDATE ON jobs REFERENCING NEW TABLE AS now_rows"
                  f" OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION {name}()")
    try:
        yield found
        found += [rows for rows, in cluster.query(f"SELECT rows FROM {name} WHERE rows > 0"
                                                  " ORDER BY at")]
    finally:
        cluster.query(f"DROP TRIGGER {name} ON jobs")


def last_counts(cluster, engine, event):
    """The counters of the engine's last exit."""
    line = re.findall(rf"event={event} (.*)", cluster.log(engine))[-1]
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def stop(cluster, name):
    until(lambda: cluster.refresh() or name in cluster.pids, f"{name} to be there", 20)
    pid = cluster.pids[name]
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid), f"{name} to leave", 20)


def ended_steps(cluster, jobs):
    """How many of the jobs' steps the engine knows to have ended, saved or not."""
    ended = re.findall(r"event=task job=(\S+) .* to=SUCCESS", cluster.log("engine-1"))
    return len(set(ended) & set(jobs))


def test_a_hundred_ready_saves_are_one_statement(one_engine):
    """A save is held inside Postgres; meanwhile a hundred steps end. Then it is let go."""
    cluster = one_engine
    fifo = cluster.folder / unique("fifo")
    os.mkfifo(fifo)
    lines = os.open(fifo, os.O_RDWR)        # each step takes a line, whenever it comes for it
    waiting = cluster.post(flow_of("waits", steps=[{"sh": f"read line < {fifo}"}]),
                           "--count", SAVES)
    until(lambda: cluster.query("SELECT count(*) FROM tasks WHERE job = ANY(%s::uuid[])"
                                " AND state = 'RUNNING'", waiting)[0][0] == SAVES,
          "all steps to run")
    with statements_counted(cluster, "now.save_no > before.save_no") as saved:
        with Gate(cluster, "jobs", "UPDATE", "NEW.save_no > OLD.save_no") as gate:
            first = cluster.post(flow_of("first", steps=[{"noop": None}]))
            gate.await_waiting()
            os.write(lines, b"\n" * SAVES)
            until(lambda: ended_steps(cluster, waiting) == SAVES, "the engine to know all ends")
            gate.open()
            cluster.await_all([first, *waiting])
    os.close(lines)
    assert saved == [1, SAVES], saved


def test_fifty_claims_are_one_multi_and_one_statement(one_engine):
    """An engine comes up and finds fifty cards in each of its shards."""
    cluster = one_engine
    stop(cluster, "engine-1")
    log = TransactionLog(cluster.dir / "zookeeper-1" / "data", cluster.env["JOBBOARD_BOARD"])
    jobs = cluster.post(flow_of("few", steps=[{"noop": None}]), "--count", 64 * CLAIMS)
    log.read()
    with statements_counted(cluster, "now.epoch > before.epoch") as claimed:
        cluster.start("engine-1")
        cluster.await_all(jobs, within_s=120)
    _, multis = log.read()
    locks = [multi["lock create"] for multi in multis if multi["lock create"]]
    assert max(locks) >= CLAIMS, locks
    assert max(claimed) >= CLAIMS, claimed
    assert sum(locks) == sum(claimed) == len(jobs)
    # Few locks go alone: on the whole a multi carries many.
    assert len(locks) <= len(jobs) / 10, locks
    stop(cluster, "engine-1")
    store, board = (last_counts(cluster, "engine-1", f"{part}_counts") for part in
                    ("store", "board"))
    assert store["saves"] == len(jobs) and store["save_batches"] <= len(jobs) / 10, store
    assert board["multi_ops"] / board["multis"] >= 20, board
    cluster.start("engine-1")


@pytest.mark.skipif(not pathlib.Path(CEILING).exists(), reason="bench/ceiling is not built")
@pytest.mark.parametrize("kind", check_counts.KINDS)
def test_the_engine_writes_what_the_ceiling_writes(kind):
    with Stage() as stage:
        check_counts.prepare(stage)
        result = check_counts.count_kind(stage, kind, 300)
    told = io.StringIO()
    check_counts.tell(kind, result, told)
    assert result["equal"], told.getvalue()
