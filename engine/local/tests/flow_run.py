# SPDX-License-Identifier: Apache-2.0
"""Plays flows with `jobboard flow run` and tells their histories, one word a line:
  a:R  RUNNING   a:S SUCCESS   a:F FAILURE   a:Rt RETRYING   a:P PENDING   a:I SKIPPED
  a:Rv REVERTING   a:Rd REVERTED   a:RF REVERT_FAILURE
  a:nr remark `no revert`   a:ri remark `revert if`   a:nu remark `not undone`
  [X]  the job enters X. Words in { } come in any order.
"""
import json
import os
import re
import subprocess

TOOL = os.path.join(os.environ.get("JOBBOARD_BIN", "build/bin"), "jobboard")
SHORT = {"RUNNING": "R", "SUCCESS": "S", "FAILURE": "F", "RETRYING": "Rt", "PENDING": "P",
         "SKIPPED": "I", "REVERTING": "Rv", "REVERTED": "Rd", "REVERT_FAILURE": "RF",
         "WAITING": "W"}
REMARKS = {"no revert": "nr", "revert if": "ri", "not undone": "nu"}


def play(tmp_path, flow, *args):
    """-> the lines of history, the exit code."""
    file = tmp_path / "flow.yaml"
    file.write_text(flow)
    done = subprocess.run([TOOL, "flow", "run", "--json", str(file), *args], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def word(line):
    if line["task"] is None:
        return "[%s]" % line["state"]
    return "%s:%s" % (line["task"], REMARKS.get(line["detail"], SHORT[line["state"]]))


def matches(expected, words):
    """Compares with the expectation, in which { } is a multiset."""
    tokens = re.findall(r"\{[^}]*\}|\S+", expected)
    at = 0
    for token in tokens:
        group = sorted(token[1:-1].split()) if token.startswith("{") else [token]
        if sorted(words[at:at + len(group)]) != group:
            return False
        at += len(group)
    return at == len(words)


def history(tmp_path, flow, *args):
    """The words behind [READY] [RUNNING]."""
    lines, _ = play(tmp_path, flow, *args)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    words = [word(line) for line in lines]
    assert words[:2] == ["[READY]", "[RUNNING]"]
    return words[2:]


def require(tmp_path, body, expected, *args):
    """That a flow has exactly this history."""
    words = history(tmp_path, "flow: case\n" + body, *args)
    assert matches(expected, words), "\nexpected %s\n     got %s" % (expected, " ".join(words))


def output(tmp_path, body, *args):
    """The output of a flow that succeeds."""
    file = tmp_path / "flow.yaml"
    file.write_text("flow: case\n" + body)
    done = subprocess.run([TOOL, "flow", "run", str(file), "-q", *args], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def steps(**tasks):
    return "steps:\n" + "".join("  - {name: %s, %s\n" % (n, t[1:]) for n, t in tasks.items())


# a task that succeeds and can be undone; one that fails; one whose revert fails
OK = "{noop: , revert: {noop: }}"
BAD = "{fail: Woot, revert: {noop: }}"
STUCK = "{noop: , revert: {fail: Gotcha}}"
