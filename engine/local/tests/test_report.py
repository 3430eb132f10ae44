# SPDX-License-Identifier: Apache-2.0
"""What `jobboard flow run` says to a person when a job did not end well."""
import subprocess

from flow_run import TOOL


def said(tmp_path, body, *args):
    """What stands on stderr behind the progress; stdout must be empty."""
    file = tmp_path / "flow.yaml"
    file.write_text("flow: case\n" + body)
    done = subprocess.run([TOOL, "flow", "run", "-q", str(file), *args], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr.replace("jobboard flow run: ", "")


def test_what_the_program_wrote(tmp_path):
    body = "tasks: {a: {sh: 'echo out; echo no capacity >&2; printf \"in \\033[1mfra\" >&2; exit 7'}}\n"
    assert said(tmp_path, body) == "a: exited with code 7\n  | no capacity\n  | in ?[1mfra\n"


def test_no_more_than_ten_lines(tmp_path):
    shown = said(tmp_path, "tasks: {a: {sh: 'seq 30 >&2; exit 1'}}\n").splitlines()
    assert shown[1:] == ["  | %d" % n for n in range(21, 31)]


def test_of_the_job_itself(tmp_path):
    shown = said(tmp_path, "tasks: {a: {set: 1}}\noutput: ${ tasks.a.result.b }\n")
    assert shown.startswith("the job: output: ") and len(shown.splitlines()) == 1


def test_what_could_not_be_undone(tmp_path):
    body = """
steps:
  - name: ab
    steps:
      - name: a
        noop:
        revert: {fail: "not a"}
  - name: abc
    foreach: [1, 2]
    noop:
    revert: {sh: "echo stuck >&2; exit 4", if: index == 1}
  - name: last
    sh: exit 1
"""
    shown = said(tmp_path, body)
    assert shown == "last: exited with code 1\nabc/1 could not be undone: exited with code 4\n  | stuck\n"
    body = body.replace("index == 1", "index == 2")
    shown = said(tmp_path, body)
    assert shown == "last: exited with code 1\nab/a could not be undone: not a\n"
