# SPDX-License-Identifier: Apache-2.0
"""`jobboard flow check` of files with 10,000 tasks, the most there may be, each form with the keys
that people write; and `jobboard flow run` of flows of growing size whose steps do nothing. From the
start of the process to its end."""
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from stage import JOBBOARD

TASKS = 10000
HEAD = """flow: many
description: As many tasks as a file may have
input:
  host: string
  count: {type: integer, default: 3}
defaults:
  timeout: 10m
  env: {HOST: "${ input.host }"}
"""


def chain():
    """A map of tasks, each of which needs the one before and reads its result."""
    yield HEAD + "tasks:\n  t0:\n    run: [hostname]\n"
    for number in range(1, TASKS):
        before = f"t{number - 1}"
        yield (f"  t{number}:\n"
               f"    description: Part {number}\n"
               f"    needs: {before}\n"
               f"    if: tasks.{before}.result != \"\" || input.count > {number}\n"
               f"    run: [deploy, --part, \"{number}\", \"--after=${{ tasks.{before}.result }}\"]\n"
               f"    retry: {{attempts: 3, delay: 5s, backoff: 2}}\n"
               f"    timeout: 5m\n"
               f"    revert:\n"
               f"      run: [undeploy, --part, \"{number}\"]\n")


def steps():
    """A list of shell scripts with variables."""
    yield HEAD + "steps:\n"
    for number in range(TASKS):
        before = f"${{ tasks.part{number - 1}.result }}" if number else "none"
        yield (f"- name: part{number}\n"
               f"  sh: |\n"
               f"    mkdir -p \"/srv/$HOST/{number}\"\n"
               f"    echo \"$PART after $BEFORE\" > \"/srv/$HOST/{number}/state\"\n"
               f"  env:\n"
               f"    PART: \"{number} of ${{ input.count }}\"\n"
               f"    BEFORE: \"{before}\"\n"
               f"  retry: {{attempts: 3, delay: 5s}}\n"
               f"  timeout: 5m\n")


def fan():
    """One task, all others side by side behind it, and one that needs them all."""
    yield HEAD + "tasks:\n  list:\n    run: [list-parts]\n    result: json\n"
    for number in range(TASKS - 2):
        yield (f"  part{number}:\n"
               f"    needs: [list]\n"
               f"    http:\n"
               f"      method: POST\n"
               f"      url: \"http://${{ input.host }}/parts/{number}\"\n"
               f"      body: {{id: \"${{ tasks.list.result[{number}].id }}\", number: {number}}}\n"
               f"    expect: result.status in [200, 201]\n"
               f"    retry: {{attempts: 3, if: failure.class == 'lost'}}\n"
               f"    on_failure: continue\n")
    yield "  report:\n    join: any\n    set: \"${ input.count }\"\n    needs:\n"
    for number in range(TASKS - 2):
        yield f"    - part{number}\n"


def bare_chain(tasks):
    yield "flow: chain\ntasks:\n  t0: {noop: }\n"
    for number in range(1, tasks):
        yield f"  t{number}: {{noop: , needs: t{number - 1}}}\n"


def bare_fan(tasks):
    yield "flow: fan\ntasks:\n  first: {noop: }\n"
    for number in range(1, tasks):
        yield f"  t{number}: {{noop: , needs: first}}\n"


def bare_items(items):
    yield "flow: items\ninput: {items: {type: array, default: ["
    yield ", ".join(map(str, range(items)))
    yield "]}}\ntasks:\n  each: {foreach: {in: \"${ input.items }\", concurrency: 100}, noop: }\n"


RUNS = {"chain": (bare_chain, (1000, 10000)), "fan-out": (bare_fan, (1000, 10000)),
        "foreach": (bare_items, (1000, 10000, 100000))}

FORMS = {"chain": chain, "steps": steps, "fan-out": fan}


def check_once(path):
    """Seconds by the clock, and of CPU."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([JOBBOARD, "flow", "check", str(path)], capture_output=True, text=True)
    spent = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or done.stderr:
        raise SystemExit(f"bench: {path.name} is not right:\n{done.stdout}{done.stderr}")
    return spent, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run_once(path):
    """Lines of history, seconds by the clock, KiB of memory at most."""
    begin = time.monotonic()
    with subprocess.Popen([JOBBOARD, "flow", "run", "--json", str(path)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: run.stdout.read1(1 << 20), b""))
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise SystemExit(f"bench: {path.name} ended with {run.returncode}")
    return lines, time.monotonic() - begin, usage.ru_maxrss


def measure_runs(plan, result, spread, folder):
    for name, (form, sizes) in RUNS.items():
        for size in sizes:
            path = Path(folder) / f"{name}-{size}.yaml"
            path.write_text("".join(form(size)))
            runs = [run_once(path) for _ in range(plan["checks"])]
            result[f"flow_run_{name}_{size}"] = {
                "moves": runs[0][0], "s": spread([spent for _, spent, _ in runs], 3),
                "moves_per_s": spread([lines / spent for lines, spent, _ in runs], 0),
                "kib": spread([kib for _, _, kib in runs], 0)}


def measure_flows(plan, result, spread):
    with tempfile.TemporaryDirectory() as folder:
        for name, form in FORMS.items():
            path = Path(folder) / f"{name}.yaml"
            path.write_text("".join(form()))
            times = [check_once(path) for _ in range(plan["checks"])]
            result[f"flow_check_{name}"] = {
                "bytes": path.stat().st_size, "s": spread([time for time, _ in times], 3),
                "cpu_s": spread([cpu for _, cpu in times], 3)}
        measure_runs(plan, result, spread, folder)


def flow_rows(result, row):
    row(f"flow check, {TASKS} tasks", "bytes", "s, median", "low..high", "CPU s")
    for name, one in result.items():
        if name.startswith("flow_check_"):
            row(f"  {name[11:]}", one["bytes"], f"{one['s']['median']:.3f}",
                f"{one['s']['low']:.3f}..{one['s']['high']:.3f}", f"{one['cpu_s']['median']:.3f}")
    row("flow run, steps that do nothing", "moves", "s, median", "moves/s", "KiB")
    for name, one in result.items():
        if name.startswith("flow_run_"):
            row(f"  {name[9:].replace('_', ' ')}", one["moves"], f"{one['s']['median']:.3f}",
                f"{one['moves_per_s']['median']:.0f}", f"{one['kib']['median']:.0f}")
