# SPDX-License-Identifier: Apache-2.0
"""The checker: did what the steps wrote and what the history says keep the promises?

It is written from the promises, not from the engine, and shares no code with it. It is given

- `posted`: ids of jobs whose post was acknowledged,
- `states`: job id -> state of its row now,
- `history`: job id -> its lines in order of seq, each a dict of `seq at_ns task attempt state engine
  epoch detail` (task None: the job itself),
- `runs`: what ran, see evidence.py,
- `needs`: job id -> {task: tasks it needs}, as far as the test knows them,

and gives a list of findings; an empty one is a pass. The rules, by name:

lost       an acknowledged post has a row and exactly one final line, its last, which is the row's state;
           one more for each time that a person made it run again
ghost      nothing ran of a job that nobody posted
gap        history lines are numbered 1, 2, 3 … and their times do not go back
move       each line is a legal move of its job or task; nothing follows an end
claim      epochs grow by one, by a claim only; all lines of an epoch name one engine
fence      no line of an older epoch behind a newer one
zombie     nothing starts under an epoch once a newer claim is recorded
unsaved    nothing starts before its start is recorded
repeat     nothing starts of a task whose success is recorded
invented   a recorded success has a run of that attempt that ended before
overlap    runs of one attempt, and runs under different epochs of one job, do not overlap
stranger   no process of an older epoch was alive when a newer one's step began
backwards  epochs of a job's runs do not go back
key        one key for all runs of a task, and another for every other task
needs      a task starts only after what it needs was recorded
"""
from collections import defaultdict

FINAL = {"SUCCESS", "FAILURE", "REVERTED", "CANCELLED", "QUARANTINED"}
CLAIMED = {"RUNNING", "REVERTING"}
JOB_MOVES = {
    None: {"READY"},
    "READY": {"RUNNING", "REVERTING", "SUSPENDED", "CANCELLED", "QUARANTINED"},
    "RUNNING": {"RUNNING", "REVERTING", "READY", "WAITING", "SUSPENDED"} | FINAL - {"REVERTED"},
    "REVERTING": {"REVERTING", "READY", "WAITING", "SUSPENDED"} | FINAL - {"SUCCESS"},
    "WAITING": {"READY", "SUSPENDED", "CANCELLED"},
    "SUSPENDED": {"READY", "WAITING", "CANCELLED"},
    # a person made it run again
    "FAILURE": {"READY"},
    "REVERTED": {"READY"},
    "CANCELLED": {"READY"},
}
TASK_MOVES = {
    None: {"RUNNING", "WAITING", "FAILURE", "SKIPPED"},
    "RUNNING": {"RUNNING", "WAITING", "RETRYING", "SUCCESS", "FAILURE"},
    "WAITING": {"RUNNING", "RETRYING", "SUCCESS", "FAILURE"},
    "RETRYING": {"RUNNING", "FAILURE", "PENDING"},
    "PENDING": {"RUNNING", "WAITING", "FAILURE", "SKIPPED", "SUCCESS"},   # SUCCESS: a result given
    "SUCCESS": {"REVERTING", "PENDING"},
    "FAILURE": {"REVERTING", "PENDING"},
    "SKIPPED": {"PENDING"},
    "REVERTING": {"REVERTING", "REVERTED", "REVERT_FAILURE"},
    "REVERTED": {"PENDING"},
    "REVERT_FAILURE": {"PENDING"},
}
STAMP_NS = 1000                          # Postgres cuts its times to µs


class Findings(list):
    def add(self, rule, job, text):
        self.append(f"{rule}: job {job}: {text}")

    def rules(self):
        return {finding.split(":")[0] for finding in self}


def check(posted, states, history, runs, needs=None):
    findings = Findings()
    by_job = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.start_boot):
        by_job[run.job].append(run)
    for job in by_job:
        if job not in history:
            findings.add("ghost", job, f"{by_job[job][0]}, but it has no history")
    for job in posted:
        check_end(findings, job, states.get(job), history.get(job, []))
    for job, lines in history.items():
        check_numbers(findings, job, lines)
        check_moves(findings, job, lines)
        check_claims(findings, job, lines)
        check_record(findings, job, lines, by_job[job])
        check_runs(findings, job, by_job[job])
        check_needs(findings, job, lines, by_job[job], (needs or {}).get(job, {}))
    check_keys(findings, history, runs)
    return findings


def check_end(findings, job, state, lines):
    ends = [line["state"] for line in lines if line["task"] is None and line["state"] in FINAL]
    again = sum(is_rerun(line) for line in lines)
    if state is None:
        findings.add("lost", job, "acknowledged, but it has no row")
    elif len(ends) != 1 + again or state != ends[-1]:
        findings.add("lost", job, f"its row is {state}, its final lines are {ends}")
    elif lines[-1]["task"] is not None or lines[-1]["state"] != state:
        findings.add("lost", job, f"its last line is not its end: {lines[-1]}")


def is_rerun(line):
    return line["task"] is None and (line["detail"] or "").split(" ")[0] == "rerun"


def check_numbers(findings, job, lines):
    if [line["seq"] for line in lines] != list(range(1, len(lines) + 1)):
        findings.add("gap", job, f"lines are numbered {[line['seq'] for line in lines]}")
    for before, line in zip(lines, lines[1:]):
        if line["at_ns"] < before["at_ns"]:
            findings.add("gap", job, f"line {line['seq']} is older than the one before")


def check_moves(findings, job, lines):
    now, attempts, epochs = {}, {}, {}
    for line in lines:
        task, state = line["task"], line["state"]
        before = now.get(task)
        if task and before == state and line["detail"] == "no revert":
            continue                     # told, not a move: an undo passed it over
        legal = TASK_MOVES if task else JOB_MOVES
        if task is None and before in FINAL and not is_rerun(line):
            findings.add("move", job, f"job went {before} -> {state} and nobody wanted that")
        if state not in legal.get(before, ()):
            findings.add("move", job, f"{task or 'job'} went {before} -> {state}")
        elif before == state and line["epoch"] <= epochs[task]:
            findings.add("move", job, f"{task or 'job'} is {state} again without a takeover")
        elif task and state == "RUNNING":
            # a takeover goes on with the attempt, only a retry begins the next
            wanted = {"RUNNING": attempts.get(task), "RETRYING": attempts.get(task, 0) + 1,
                      None: 1}.get(before)
            if wanted is not None and line["attempt"] != wanted:
                findings.add("move", job, f"{task} runs attempt {line['attempt']}, not {wanted}")
        if task is not None and now.get(None) in FINAL:
            findings.add("move", job, f"{task} went {state} after the job's end")
        now[task], attempts[task], epochs[task] = state, line["attempt"], line["epoch"]


def check_claims(findings, job, lines):
    epoch, engines = 0, {}
    for line in lines:
        claims = line["task"] is None and line["state"] in CLAIMED
        if line["epoch"] < epoch:
            findings.add("fence", job, f"line {line['seq']} ({line['task']} {line['state']}) of epoch "
                                       f"{line['epoch']} stands behind epoch {epoch}")
            continue
        if line["epoch"] > epoch and not (claims and line["epoch"] == epoch + 1):
            findings.add("claim", job, f"line {line['seq']} leaps from epoch {epoch} to {line['epoch']}")
        epoch = line["epoch"]
        if line["engine"] is not None and engines.setdefault(epoch, line["engine"]) != line["engine"]:
            findings.add("claim", job, f"epoch {epoch} belongs to {engines[epoch]} and {line['engine']}")


def check_record(findings, job, lines, runs):
    """Runs against lines: each started after its start was recorded, before its end was."""
    claimed, started, ended = {}, {}, {}
    for line in lines:
        if line["task"] is None:
            if line["state"] in CLAIMED:
                claimed.setdefault(line["epoch"], line["at_ns"])
        elif line["state"] in CLAIMED:
            started.setdefault((line["task"], line["attempt"], line["epoch"]), line["at_ns"])
        elif line["state"] == "PENDING":
            ended.pop(line["task"], None)
        elif line["state"] == "SUCCESS":
            ended.setdefault(line["task"], line["at_ns"])
            check_ended(findings, job, line, runs)
    for run in runs:
        begin = started.get((run.task, run.attempt, run.epoch))
        if begin is None or run.start_real < begin:
            findings.add("unsaved", job, f"{run} began before it was recorded")
        newer = [at for epoch, at in claimed.items() if epoch > run.epoch]
        if newer and run.start_real > min(newer) + STAMP_NS:
            findings.add("zombie", job, f"{run} began after a newer claim")
        if run.start_real > ended.get(run.task, run.start_real) + STAMP_NS:
            findings.add("repeat", job, f"{run} began after its task was recorded")


def check_ended(findings, job, line, runs):
    mine = [run for run in runs if run.task == line["task"]]
    if mine and not any(run.attempt == line["attempt"] and run.end_real is not None
                        and run.end_real <= line["at_ns"] + STAMP_NS for run in mine):
        findings.add("invented", job, f"{line['task']} is recorded, but no run of attempt "
                                      f"{line['attempt']} ended before")


def check_runs(findings, job, runs):
    for index, later in enumerate(runs):
        if later.strangers:
            findings.add("stranger", job, f"{later} met {later.strangers}")
        for earlier in runs[:index]:
            same = (earlier.task, earlier.attempt) == (later.task, later.attempt)
            if (same or earlier.epoch != later.epoch) and earlier.seen_boot >= later.start_boot:
                findings.add("overlap", job, f"{earlier} was alive when {later} began")
        if index and later.epoch < runs[index - 1].epoch:
            findings.add("backwards", job, f"{later} came behind {runs[index - 1]}")


def check_keys(findings, history, runs):
    """A task that went back to PENDING may have another one."""
    keys, owners = {}, {}
    for run in runs:
        what = (run.job, run.task)
        again = sum(line["task"] == run.task and line["state"] == "PENDING" and
                    line["at_ns"] <= run.start_real for line in history.get(run.job, ()))
        if not run.key:
            findings.add("key", run.job, f"{run} has none")
        elif keys.setdefault((what, again), run.key) != run.key:
            findings.add("key", run.job, f"{run} has another one than the run before")
        elif owners.setdefault(run.key, what) != what:
            findings.add("key", run.job, f"{run} has the key of {owners[run.key]}")


def check_needs(findings, job, lines, runs, needs):
    met = {}
    for line in lines:
        if line["task"] and line["state"] in ("SUCCESS", "SKIPPED"):
            met.setdefault(line["task"], line["at_ns"])
    for run in runs:
        for need in needs.get(run.task, ()):
            if need not in met or run.start_real + STAMP_NS < met[need]:
                findings.add("needs", job, f"{run} began before {need} was recorded")
