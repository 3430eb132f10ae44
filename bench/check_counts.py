#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the engine and the ceiling write the same rows and znodes for a job, counted by Postgres
and ZooKeeper themselves.

  bench/check_counts.py [--jobs N]     exit 1: they differ
"""
import argparse
import sys

from service_counts import PER_JOB_TABLES, TransactionLog, settled_tables
from stage import CEILING_BOARD, CEILING_SCHEMA, Stage

KINDS = {"noop": {"noop": None}, "set": {"set": {"n": 1}}, "run": {"run": ["/bin/true"]}}
TRIES = 3


def flow_of(kind, **keys):
    return {"flow": f"bench-{kind}", "steps": [KINDS[kind]] * 3, **keys}


def per_job(counts, jobs):
    return {name: round(count / jobs, 3) for name, count in sorted(counts.items()) if count}


def only_jobs(counts):
    return {name: count for name, count in counts.items() if name.split()[0] in PER_JOB_TABLES}


class Counting:
    """Counts what happens to one schema and board between begin and end."""

    def __init__(self, stage, schema, board):
        self.stage, self.schema = stage, schema
        self.log = TransactionLog(stage.zookeeper_data, board)
        self.log.read()
        self.before, self.hot_before = settled_tables(stage.cursor, schema)

    def end(self, jobs):
        rows, hot = settled_tables(self.stage.cursor, self.schema)
        znodes, multis = self.log.read()
        rows = only_jobs({name: count - self.before[name] for name, count in rows.items()})
        hot = only_jobs({name: count - self.hot_before[name] for name, count in hot.items()})
        return {"rows": per_job(rows, jobs), "hot": per_job(hot, jobs),
                "znodes": per_job(znodes, jobs), "multis": len(multis),
                "znodes_per_multi": round(sum(znodes.values()) / max(len(multis), 1), 1)}


def prepare(stage):
    """Folders are there and the servers are warm: what comes now is jobs and nothing else."""
    stage.prepare_ceiling()
    stage.ceiling("noop", 300)
    stage.post(flow_of("noop"), 300)
    stage.await_none_moving()


def count_kind(stage, kind, jobs):
    """-> {engine, ceiling, said, equal}. On a machine so busy that a poster places a card more than
    a second after its row, an engine may have been faster, and the card comes twice: such a count
    is made again."""
    for _ in range(TRIES):
        result = count_once(stage, kind, jobs)
        if result["equal"]:
            break
    return result


def count_once(stage, kind, jobs):
    counting = Counting(stage, stage.schema, stage.env["JOBBOARD_BOARD"])
    stage.post(flow_of(kind), jobs)
    stage.await_none_moving()
    engine = counting.end(jobs)
    counting = Counting(stage, CEILING_SCHEMA, CEILING_BOARD)
    said = stage.ceiling(kind, jobs)
    ceiling = counting.end(jobs)
    said = {part: {name: count for name, count in sorted(said[part].items()) if count}
            for part in ("rows", "znodes")}
    equal = all(engine[part] == ceiling[part] == said[part] for part in ("rows", "znodes"))
    return {"jobs": jobs, "engine": engine, "ceiling": ceiling, "said": said, "equal": equal}


def tell(kind, result, out=sys.stdout):
    print(f"3-step {kind}: {'equal' if result['equal'] else 'DIFFERENT'}", file=out)
    names = sorted({name for who in ("engine", "ceiling", "said") for part in ("rows", "znodes")
                    for name in result[who][part]})
    for name in names:
        counts = [result[who]["znodes" if name.split()[0] in ("card", "lock") else "rows"]
                  .get(name, 0) for who in ("engine", "ceiling")]
        print(f"  {name:18} engine {counts[0]:6}   ceiling {counts[1]:6}", file=out)
    print(f"  znodes in a multi  engine {result['engine']['znodes_per_multi']:6}   "
          f"ceiling {result['ceiling']['znodes_per_multi']:6}", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    jobs = parser.parse_args().jobs
    with Stage() as stage:
        prepare(stage)
        results = {kind: count_kind(stage, kind, jobs) for kind in KINDS}
    for kind, result in results.items():
        tell(kind, result)
    return 0 if all(result["equal"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
