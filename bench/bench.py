#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures a cluster on this machine: one ZooKeeper server with forceSync, one Postgres with fsync,
and beside each rate the ceiling (bench/ceiling.c).

  scripts/bench [--quick] [--json FILE] [--only PART[,PART…]]

Parts: flows counts rates post latency ends waiting takeover. A rate is measured in rounds, one of ours
and one of the ceiling in turn, so that a neighbour on the machine disturbs both alike; told are the
median, the lowest and the highest. Quote the ratio rather than the rate.
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

from check_counts import KINDS, count_kind, flow_of, prepare, tell
from flows import flow_rows, measure_flows
from stage import JOBBOARD, Stage, until

PARTS = ("flows", "counts", "rates", "post", "latency", "ends", "waiting", "takeover")
STAMP = ["/usr/bin/date", "+%s.%N"]


def log(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def load():
    return os.getloadavg()[0]


def spread(values, digits=1):
    values = sorted(values)
    return {"median": round(statistics.median(values), digits), "low": round(values[0], digits),
            "high": round(values[-1], digits), "runs": len(values)}


def latency(values_ms):
    values = sorted(values_ms)
    return {"p50": round(statistics.median(values), 1),
            "p99": round(values[min(len(values) - 1, int(len(values) * 0.99))], 1),
            "low": round(values[0], 1), "high": round(values[-1], 1), "runs": len(values)}


# ------------------------------------------------------------------------------------------ rates

RATE_SQL = """SELECT count(*), extract(epoch FROM max(ended_at) - min(posted_at))::float8,
    count(*) FILTER (WHERE state = 'SUCCESS') FROM jobs WHERE posted_at >= %s"""


def engine_round(stage, kind, jobs):
    """From the first post to the last end, by Postgres' clock."""
    since, cpu, own = stage.now(), stage.cpu(), resource.getrusage(resource.RUSAGE_CHILDREN)
    stage.post(flow_of(kind), jobs)
    posting = resource.getrusage(resource.RUSAGE_CHILDREN)
    stage.await_none_moving()
    used = {name: value - cpu[name] for name, value in stage.cpu().items()}
    used["post"] = (posting.ru_utime + posting.ru_stime) - (own.ru_utime + own.ru_stime)
    count, seconds, good = stage.query(RATE_SQL, since)[0]
    if count != jobs or good != jobs:
        raise SystemExit(f"bench: of {jobs} {kind} jobs {count} were recorded, {good} succeeded")
    return jobs / seconds, {name: value / jobs * 1e6 for name, value in used.items()}


def ceiling_round(stage, kind, jobs, *options):
    cpu, own = stage.cpu(), resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = stage.ceiling(kind, jobs, *options)["jobs_per_s"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = {name: value - cpu[name] for name, value in stage.cpu().items() if name != "engine"}
    used["client"] = (after.ru_utime + after.ru_stime) - (own.ru_utime + own.ru_stime)
    return rate, {name: value / jobs * 1e6 for name, value in used.items()}


def cpu_table(rounds):
    """Median CPU microseconds per job of each process."""
    return {name: round(statistics.median(one[name] for one in rounds)) for name in rounds[0]}


def both(stage, rounds, ours, ceiling):
    pairs = []
    for number in range(rounds):
        pairs.append((ours(), ceiling()))
        log(f"  round {number + 1}: {pairs[-1][0][0]:.0f}/s, ceiling {pairs[-1][1][0]:.0f}/s, "
            f"load {load():.1f}")
    return {"engine_per_s": spread([pair[0][0] for pair in pairs], 0),
            "ceiling_per_s": spread([pair[1][0] for pair in pairs], 0),
            "ratio": spread([pair[0][0] / pair[1][0] for pair in pairs], 3),
            "engine_cpu_us": cpu_table([pair[0][1] for pair in pairs]),
            "ceiling_cpu_us": cpu_table([pair[1][1] for pair in pairs])}


def bare_processes(count=600, at_once=4 * os.cpu_count()):
    """Processes a second that do nothing, started by nobody of ours: what `run` steps cost at least."""
    began = time.monotonic()
    subprocess.run(["xargs", "-P", str(at_once), "-n", "1", "/bin/true"], check=True, text=True,
                   input="\n".join(map(str, range(count))))
    return count / (time.monotonic() - began)


def measure_rates(stage, plan, result):
    for kind in KINDS:
        jobs = plan["run_jobs" if kind == "run" else "jobs"]
        log(f"rate of 3-step {kind} jobs, {jobs} a round")
        engine_round(stage, kind, max(jobs // 5, 100))          # warm
        ceiling_round(stage, kind, max(jobs // 5, 100))
        result[f"rate_{kind}"] = {"jobs": jobs, **both(
            stage, plan["rounds"], lambda: engine_round(stage, kind, jobs),
            lambda: ceiling_round(stage, kind, jobs))}
    result["rate_run"]["bare_processes_per_s"] = spread(
        [bare_processes() for _ in range(plan["rounds"])], 0)


def measure_post(stage, plan, result):
    """Jobs that no engine may claim: rows and cards only, and the tool's start."""
    jobs, rounds = plan["post_jobs"], iter(range(1000))
    log(f"rate of posting, {jobs} a round")

    def post_round():
        cpu = stage.cpu()
        flow = flow_of("noop", runs_on=[f"nobody-{next(rounds)}"])
        _, seconds = stage.post(flow, jobs)
        used = {name: value - cpu[name] for name, value in stage.cpu().items()}
        return jobs / seconds, {name: value / jobs * 1e6 for name, value in used.items()}

    result["rate_post"] = {"jobs": jobs, **both(
        stage, plan["rounds"], post_round,
        lambda: ceiling_round(stage, "noop", jobs, "--post-only"))}


# ---------------------------------------------------------------------------------------- latency

FIRST_STEP_SQL = """SELECT extract(epoch FROM h.at - j.posted_at)::float8 * 1000,
    extract(epoch FROM h.at)::float8 FROM jobs j JOIN history h ON h.job = j.id
    WHERE j.id = %s AND h.task = 'step1' AND h.state = 'RUNNING'"""
ENDED_SQL = "SELECT extract(epoch FROM ended_at)::float8 FROM jobs WHERE id = %s"


def ended(stage, job):
    return until(lambda: stage.value(ENDED_SQL, job), f"the end of {job}", 60)


def measure_latency(stage, plan, result):
    """On an idle cluster, one job at a time. `recorded`: from the row's posted_at to the first
    step's RUNNING line, both by Postgres' clock. `tool`: from the start of `jobboard post` to the
    moment the step's own process looked at the clock."""
    log("post to first step, idle")
    recorded, tool = [], []
    for kind in ("noop", "run"):
        flow = {"flow": f"idle-{kind}", "steps": [{"run": STAMP} if kind == "run" else {"noop": None}]}
        for _ in range(plan["singles"]):
            began = time.time()
            (job,), _ = stage.post(flow)
            ended(stage, job)
            recorded.append(stage.query(FIRST_STEP_SQL, job)[0][0])
            if kind == "run":
                stamp = stage.value("SELECT result FROM tasks WHERE job = %s", job)
                tool.append((float(stamp) - began) * 1000)
            time.sleep(0.05)
    result["first_step_ms"] = latency(recorded)
    result["first_step_with_tool_ms"] = latency(tool)


def seen_by_wait(stage, job):
    process = stage.start("wait", job)
    process.stdout.read()
    seen = time.time()
    process.wait()
    return seen


def seen_by_watch(stage, job):
    process = stage.start("watch", job)
    for line in process.stdout:
        words = line.split()
        if "job" in words and "SUCCESS" in words:
            seen = time.time()
            process.stdout.read()
            process.wait()
            return seen
    raise SystemExit("bench: watch ended without the job's end")


def measure_ends(stage, plan, result):
    """How long after a job's end `wait` and `watch` say so."""
    for name, see in (("wait", seen_by_wait), ("watch", seen_by_watch)):
        log(f"{name} sees the end")
        late = []
        for _ in range(plan["singles"] // 2):
            (job,), _ = stage.post({"flow": "ends", "steps": [{"sh": "sleep 1.5"}]})
            seen = see(stage, job)
            late.append((seen - ended(stage, job)) * 1000)
        result[f"{name}_sees_end_ms"] = latency(late)


# ------------------------------------------------------------------------------- many that wait

CLAIM_SQL = """SELECT extract(epoch FROM started_at - posted_at)::float8 * 1000
    FROM jobs WHERE id = %s"""


def claim_latency(stage, runs):
    values = []
    for _ in range(runs):
        (job,), _ = stage.post({"flow": "among", "steps": [{"noop": None}]})
        ended(stage, job)
        values.append(stage.value(CLAIM_SQL, job))
        time.sleep(0.02)
    return latency(values)


def await_full(stage):
    """Four jobs fill the slots of the engine `holder`, which alone has the tag `held`."""
    door = stage.folder / "door"
    stage.dev("engine", "add", "--name", "holder", after=["--", "--tag", "held", "--slots", "4"])
    stage.post({"flow": "hold", "runs_on": ["held"], "priority": 0,
                "steps": [{"sh": f"until [ -e {door} ]; do sleep 0.2; done"}]}, 4)
    until(lambda: stage.value("SELECT count(*) FROM jobs WHERE state = 'RUNNING'") == 4,
          "the slots to be full")
    return door


def measure_waiting(plan, result):
    """N jobs wait in a pool of nobody's: how long is a job of no tags on its way to its claim, how
    large is the engine, running for long and fresh. Then N jobs wait in the pool of an engine with
    full slots: how large is that one, and how long waits a priority 0 job once slots are free."""
    for waiting in plan["waiting"]:
        log(f"{waiting} jobs wait")
        with Stage() as stage:
            stage.post(flow_of("noop"), 500)
            stage.await_none_moving()
            stage.post(flow_of("noop", runs_on=["nobody"]), waiting)
            found = {"claim_ms": claim_latency(stage, plan["singles"]),
                     "engine_kib": stage.memory_kib("engine-1")}
            stage.dev("engine", "stop", "engine-1")
            stage.dev("engine", "start", "engine-1")
            found["claim_after_restart_ms"] = claim_latency(stage, plan["singles"])
            found["engine_after_restart_kib"] = stage.memory_kib("engine-1")
            door = await_full(stage)
            stage.post(flow_of("noop", runs_on=["held"], priority=9), waiting)
            time.sleep(3)
            found["holder_kib"] = stage.memory_kib("holder")
            door.touch()
            (job,), _ = stage.post(flow_of("noop", runs_on=["held"], priority=0))
            ended(stage, job)
            found["first_among_held_ms"] = round(stage.value(CLAIM_SQL, job), 1)
            result[f"waiting_{waiting}"] = found


# --------------------------------------------------------------------------------------- takeover

def measure_takeover(plan, result):
    """From SIGKILL of the engine that runs a step to the start of that step on a peer."""
    t_ms, tick_ms, times, blames = 2000, 200, [], []
    log(f"takeover, T = {t_ms} ms, tick {tick_ms} ms")
    with Stage(engines=3, session_timeout_ms=t_ms, tick_ms=tick_ms) as stage:
        for number in range(plan["takeovers"]):
            seen, door = stage.folder / f"seen-{number}", stage.folder / f"door-{number}"
            step = f"date +%s.%N >> {seen}; until [ -e {door} ]; do sleep 0.05; done"
            (job,), _ = stage.post({"flow": "takeover", "steps": [{"sh": step}]})
            until(lambda: seen.exists() and seen.read_text().endswith("\n"), "the step")
            engine = stage.value("SELECT engine FROM tasks WHERE job = %s", job)
            killed = stage.kill(engine)
            until(lambda: seen.read_text().count("\n") == 2, "the peer's step", 60, 0.002)
            times.append((float(seen.read_text().split()[1]) - killed) * 1000)
            door.touch()
            ended(stage, job)
            stage.dev("engine", "start", engine)
    bound = t_ms + 1.5 * tick_ms + 250
    result["takeover_ms"] = {**latency(times), "bound": bound,
                             "within": sum(value <= bound for value in times)}


# ------------------------------------------------------------------------------------------ telling

def version(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def machine():
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line]
    package = version("dpkg-query", "-W", "-f", "${Version}", "zookeeper")
    return {"cpu": cpu[0] if cpu else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "jobboard": version(JOBBOARD, "--version"),
            "postgres": version("/usr/lib/postgresql/15/bin/postgres", "--version"),
            "zookeeper": package, "zookeeper_servers": 1, "force_sync": True, "fsync": True,
            "engines": "1; takeover 3", "load_before": round(load(), 1)}


def row(name, *cells):
    print(f"{name:34}" + "".join(f"{cell:>16}" for cell in cells))


def rate_rows(result):
    row("rate, jobs/s", "ours", "ceiling", "ratio", "ratio low..high")
    for name, one in result.items():
        if name.startswith("rate_"):
            ratio = one["ratio"]
            row("  post" if name == "rate_post" else f"  3-step {name[5:]}",
                f"{one['engine_per_s']['median']:.0f}", f"{one['ceiling_per_s']['median']:.0f}",
                f"{ratio['median']:.2f}", f"{ratio['low']:.2f}..{ratio['high']:.2f}")
    bare = result.get("rate_run", {}).get("bare_processes_per_s")
    if bare:
        row("  processes that do nothing", "", f"{bare['median']:.0f}")


def cpu_rows(result):
    row("CPU, microseconds a job", "engine/client", "postgres", "zookeeper", "posting tool")
    for name, one in result.items():
        if name.startswith("rate_"):
            ours, ceiling = one["engine_cpu_us"], one["ceiling_cpu_us"]
            row(f"  {name[5:]}", ours["engine"], ours["postgres"], ours["zookeeper"],
                ours.get("post", ""))
            row(f"  {name[5:]}, ceiling", ceiling["client"], ceiling["postgres"],
                ceiling["zookeeper"])


def time_rows(result):
    row("time, ms", "p50", "p99", "low", "high")
    for name, one in result.items():
        if isinstance(one, dict) and "p99" in one:
            row(f"  {name[:-3]}", one["p50"], one["p99"], one["low"], one["high"])
    for name, one in result.items():
        if name.startswith("waiting_"):
            for part in ("claim_ms", "claim_after_restart_ms"):
                row(f"  {name}: {part[:-3]}", one[part]["p50"], one[part]["p99"],
                    one[part]["low"], one[part]["high"])


def memory_rows(result):
    row("engine's memory, KiB", "engine", "after restart", "full slots")
    for name, one in result.items():
        if name.startswith("waiting_"):
            row(f"  {name}", one["engine_kib"], one["engine_after_restart_kib"], one["holder_kib"])


def tell_all(result):
    for name, value in result["machine"].items():
        print(f"{name:18} {value}")
    if any(name.startswith("flow_check_") for name in result):
        flow_rows(result, row)
    for name, one in result.items():
        if name.startswith("counts_"):
            tell(name[7:], one)
    if any(name.startswith("rate_") for name in result):
        rate_rows(result)
        cpu_rows(result)
    if any(name.endswith("_ms") or name.startswith("waiting_") for name in result):
        time_rows(result)
    if any(name.startswith("waiting_") for name in result):
        memory_rows(result)


PLANS = {
    False: {"rounds": 5, "jobs": 10000, "run_jobs": 500, "post_jobs": 10000, "singles": 50,
            "count_jobs": 1000, "waiting": (1000, 100000), "takeovers": 10, "checks": 20},
    True: {"rounds": 3, "jobs": 5000, "run_jobs": 300, "post_jobs": 3000, "singles": 20,
           "count_jobs": 500, "waiting": (1000, 10000), "takeovers": 3, "checks": 5},
}


def measure_one_engine(parts, plan, result):
    with Stage() as stage:
        prepare(stage)
        if "latency" in parts:
            measure_latency(stage, plan, result)
        if "ends" in parts:
            measure_ends(stage, plan, result)
        for kind in KINDS if "counts" in parts else ():
            log(f"counting rows and znodes of 3-step {kind} jobs")
            result[f"counts_{kind}"] = count_kind(stage, kind, plan["count_jobs"])
        if "rates" in parts:
            measure_rates(stage, plan, result)
        if "post" in parts:
            measure_post(stage, plan, result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS))
    given = parser.parse_args()
    if not set(given.only) <= set(PARTS):
        parser.error(f"parts are: {' '.join(PARTS)}")
    plan = PLANS[given.quick]
    result = {"machine": machine(), "plan": {**plan, "parts": given.only}}
    if "flows" in given.only:
        measure_flows(plan, result, spread)
    if set(given.only) - {"flows", "waiting", "takeover"}:
        measure_one_engine(given.only, plan, result)
    if "waiting" in given.only:
        measure_waiting(plan, result)
    if "takeover" in given.only:
        measure_takeover(plan, result)
    result["machine"]["load_after"] = round(load(), 1)
    tell_all(result)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
