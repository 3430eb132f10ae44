# SPDX-License-Identifier: Apache-2.0
"""`flow check --json` says of every file of engine/flow/tests/bad what the messages beside it say."""
import json
import pathlib
import re
import subprocess

import pytest

from flow_run import TOOL

BAD = pathlib.Path(__file__).parents[3] / "engine/flow/tests/bad"
FILES = sorted(path.name for path in BAD.iterdir() if path.suffix != ".err")
HEAD = re.compile(r"^%s(?::(\d+):(\d+))?: (error|warning): (.*)$")


def told(name):
    """(line, column, severity, message, hint) of each message of a golden file."""
    found = []
    text = (BAD / (name + ".err")).read_bytes().decode(errors="replace")
    for line in text.split("\n"):
        head = re.match(HEAD.pattern % re.escape(name), line)
        hint = re.match(r"^ +(?:= )?hint: (.*)$", line)
        if head:
            found.append([int(head[1] or 0), int(head[2] or 0), head[3], head[4], None])
        elif hint:
            found[-1][4] = hint[1]
    return found


def test_there_are_many():
    assert len(FILES) >= 140
    kinds = {re.sub(r"`[^`]*`|\d+", "X", problem[3]) for name in FILES for problem in told(name)}
    assert len(kinds) >= 150


@pytest.mark.parametrize("name", FILES)
def test_json_says_the_same(name):
    done = subprocess.run([TOOL, "flow", "check", "--json", str(BAD / name)], capture_output=True,
                          timeout=60)
    assert done.stderr == b""
    [row] = [json.loads(line) for line in done.stdout.decode().splitlines()]
    expected = told(name)
    errors = sum(problem[2] == "error" for problem in expected)
    assert expected and [[problem["line"] or 0, problem["column"] or 0, problem["severity"], problem["message"],
                          problem["hint"]] for problem in row["problems"]] == expected
    assert done.returncode == (1 if errors else 0) and row["ok"] == (errors == 0)
    assert row["errors"] == errors or row["errors"] > len(expected) == 100     # so many are listed
    assert (row["tasks"] is None) == (errors > 0)
    assert all(problem["width"] >= 1 for problem in row["problems"])
