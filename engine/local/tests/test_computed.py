# SPDX-License-Identifier: Apache-2.0
"""What is computed when a flow runs, and what becomes of it when it cannot be."""
import json
import subprocess

import pytest

from flow_run import TOOL, output, play, require

X = "input: {x: {type: any, default: %s}}\n"
DEEP = "  - {name: deep, run: [sh, -c, 'for i in $(seq 512); do printf [; done; for i in $(seq 512); do printf ]; done']}\n"

# what a person is told
FAILS = {
    "foreach over a number": (X % 3 + "tasks: {e: {foreach: '${ input.x }', noop: }}", "e: foreach: expected a list or an object"),
    "foreach over what is not there": (X % "{}" + "tasks: {e: {foreach: '${ input.x.y }', noop: }}", "e: foreach: "),
    "foreach over what is too deep": ("steps:\n" + DEEP + "  - {name: e, foreach: ['${ tasks.deep.result }'], noop: }\n",
                                      "e: foreach: expected a list or an object"),
    "foreach over too many": (X % ("[" + "0, " * 100000 + "0]") + "tasks: {e: {foreach: '${ input.x }', noop: }}",
                              "e: foreach: more than 100000 items"),
    "no concurrency": (X % 0 + "tasks: {e: {foreach: {in: [1], concurrency: '${ input.x }'}, noop: }}",
                       "e: foreach: concurrency must be at least 1"),
    "concurrency": (X % "-1" + "tasks: {e: {foreach: {in: [1], concurrency: '${ input.x }'}, noop: }}",
                    "e: foreach.concurrency: expected a whole number, got -1"),
    "enough": (X % "many" + "tasks: {e: {foreach: {in: [1], enough: '${ input.x }'}, noop: }}",
               'e: foreach.enough: expected a whole number, got "many"'),
    "join": (X % "two" + "tasks: {a: {noop: }, b: {needs: a, join: '${ input.x }', noop: }}",
             'b: join: expected a whole number, got "two"'),
    "a deadline": (X % "soon" + "tasks: {a: {noop: , deadline: '${ input.x }'}}",
                   'a: deadline: expected a duration such as "90s", got "soon"'),
    "a deadline that is no text": (X % 5 + "tasks: {a: {noop: , deadline: '${ input.x }'}}",
                                   'a: deadline: expected a duration such as "90s", got 5'),
    "a timeout of a flow": (X % "soon" + "tasks: {n: {timeout: '${ input.x }', steps: [{noop: }]}}", "n: timeout: expected a duration"),
    "a timeout of a step": (X % "soon" + "tasks: {a: {timeout: '${ input.x }', run: ['true']}}", "a: timeout: expected a duration"),
    "a timeout that is not there": (X % "{}" + "tasks: {a: {timeout: '${ input.x.y }', run: ['true']}}", "a: timeout: "),
    "values": (X % "[]" + "tasks: {a: {retry: {values: '${ input.x }'}, noop: }}", "a: retry.values: expected a list of at least one value"),
    "values that are none": (X % 5 + "tasks: {a: {retry: {values: '${ input.x }'}, noop: }}",
                             "a: retry.values: expected a list of at least one value"),
    "values that fail": (X % 0 + "tasks: {a: {retry: {values: '${ [1 / input.x] }'}, noop: }}", "a: retry.values: "),
    "times": (X % "no" + "tasks: {r: {repeat: {until: false, times: '${ input.x }'}, noop: }}", "r: repeat.times: expected a whole number"),
    "a delay of rounds": (X % "no" + "tasks: {r: {repeat: {until: false, delay: '${ input.x }'}, noop: }}", "r: repeat.delay: expected a duration"),
    "a whole command": (X % "{}" + "tasks: {a: {run: '${ input.x.y }'}}", "a: run: "),
    "a command of a number": (X % 3 + "tasks: {a: {run: '${ input.x }'}}", "a: run: expected a list of strings, numbers or booleans"),
    "an empty command": (X % "[]" + "tasks: {a: {run: '${ input.x }'}}", "a: run: expected a list"),
    "a command with null": (X % "[echo, null]" + "tasks: {a: {run: '${ input.x }'}}", "a: run: expected a list"),
    "a command with a list": (X % "[[], echo]" + "tasks: {a: {run: '${ input.x }'}}", "a: run: expected a list"),
    "a command with an object": (X % "[echo, {}]" + "tasks: {a: {run: '${ input.x }'}}", "a: run: expected a list"),
    "a variable": (X % "[]" + "tasks: {a: {run: ['true'], env: {X: '${ input.x }'}}}", "a: env: "),
    "a folder": (X % "[]" + "tasks: {a: {run: ['true'], cwd: '${ input.x }'}}", "a: cwd: "),
    "an input": (X % 0 + "tasks: {a: {run: ['true'], with: '${ 1 / input.x }'}}", "a: with: "),
    "a url": (X % "[]" + "tasks: {a: {http: 'http://h/${ input.x }'}}", "a: http.url: "),
    "a method": (X % "[]" + "tasks: {a: {http: {url: 'http://h/', method: '${ input.x }'}}}", "a: http.method: "),
    "a header": (X % "[]" + "tasks: {a: {http: {url: 'http://h/', headers: {X: '${ input.x }'}}}}", "a: http.headers: "),
    "a body": (X % 0 + "tasks: {a: {http: {url: 'http://h/', method: POST, body: '${ 1 / input.x }'}}}", "a: http.body: "),
}

UNDONE = ("tasks:\n  a:\n    retry: {%s, delay: 0s}\n    set: '${ retry.value }'\n    expect: result == 2\n"
          "    revert: {set: '${ retry.value }', expect: result == null}\n"
          "  b: {needs: a, noop: }\n  c: {needs: b, fail: no}\n")
UNDOING = "a:R a:Rt a:R a:S b:R b:S c:R c:F c:nr b:nr [REVERTING] a:Rv a:Rd [REVERTED]"

MOVES = {
    # what is being undone keeps the result it had
    "a result while it is being undone": (
        "tasks:\n  a: {noop: , revert: {set: '${ tasks }', expect: 'result.z.state == \"REVERTING\" && result.z.result == 7'}}\n"
        "  z: {set: 7, revert: {run: [sleep, '0.3']}}\n  c: {needs: [a, z], fail: no}\n",
        "a:R a:S z:R z:S c:R c:F c:nr [REVERTING] z:Rv a:Rv a:Rd z:Rd [REVERTED]"),
    # an error means: not yet
    "until": ("tasks: {r: {repeat: {until: 1 / round == 1, times: 3}, noop: }}", "r:R r/0:R r/0:S r/1:R r/1:S r:S [SUCCESS]"),
    # without an answer a delay is the one that nobody asked for
    "delays of a retry": (X % "soon" + "tasks: {a: {retry: {attempts: 2, delay: '${ input.x }', max_delay: '${ input.x }'}, fail: no}}",
                          "a:R a:Rt a:R a:F a:nr [FAILURE]"),
    # `retry.if` may have it tried again with the next one
    "a value": (X % 0 + "tasks: {a: {retry: {values: ['${ 1 / input.x }', 2], if: true, delay: 0s}, set: '${ retry.value }', expect: result == 2}}",
                "a:R a:Rt a:R a:S [SUCCESS]"),
    "no deadline": (X % "0s" + "tasks: {a: {noop: , deadline: '${ input.x }'}}", "a:R a:S [SUCCESS]"),
    "more at once than anybody counts": (X % 5000000000 + "tasks: {e: {foreach: {in: [1], concurrency: '${ input.x }'}, noop: }}",
                                         "e:R e/0:R e/0:S e:S [SUCCESS]"),
    # its items never were: the flow is retried without them
    "items that never began": (X % 0 + "tasks:\n  n:\n    retry: {attempts: 2, delay: 0s, if: true}\n    steps:\n"
                               "      - {name: e, foreach: {in: [1, 2], concurrency: '${ input.x }'}, noop: }\n",
                               "n:R n/e:F n:Rt n/e:P n:R n/e:F n:F [FAILURE]"),
    "the condition of the end": (X % 0 + "tasks: {a: {noop: }}\nfinally: {if: 1 / input.x == 1, noop: }", "a:R a:S finally:F [SUCCESS]"),
    # its time is over between two rounds
    "a deadline between rounds": ("tasks: {r: {repeat: {until: false, delay: 10s}, deadline: 50ms, noop: }}",
                                  "r:R r/0:R r/0:S r:F r/0:nr [FAILURE]"),
    # the job has no more time for another attempt: it stops as it stands
    "a deadline of a job that stops": ("deadline: 50ms\non_failure: stop\nretry: {attempts: 2}\ntasks: {a: {run: [sleep, '9'], revert: {noop: }}}",
                                       "a:R a:F [FAILURE]"),
    # nobody knows whether the step did its work; the flow around it undoes it and may run it again
    "a flow that runs once": ("tasks:\n  n:\n    once: true\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
                              "      - {name: a, run: [sleep, '9'], timeout: 50ms}\n",
                              "n:R n/a:R n/a:F n/a:nr n:Rt n/a:P n:R n/a:R n/a:F n/a:nr n:F [FAILURE]"),
    # the values are computed anew for the revert, and are fewer now
    "values that become fewer": (X % "b" + UNDONE % "values: \"${ tasks[input.x].state == 'SUCCESS' ? [1] : [1, 2] }\"", UNDOING),
    "values that fail later": (X % "b" + UNDONE % "values: \"${ [1, 2 / (tasks[input.x].state == 'SUCCESS' ? 0 : 1)] }\"", UNDOING),
    "a value that fails later": (X % "b" + UNDONE % "values: [1, \"${ 2 / (tasks[input.x].state == 'SUCCESS' ? 0 : 1) }\"]", UNDOING),
    # it is decided that d runs, and it only waits for a process
    "a skip that comes too late": (
        "tasks:\n  e: {run: [sleep, '0.3']}\n  b: {noop: }\n  d: {needs: [b, s], join: any, run: ['true']}\n"
        "  c: {needs: b, noop: }\n  s: {needs: c, if: false, skip: neighbors, noop: }\n",
        "e:R b:R b:S c:R c:S s:I e:S d:R d:S [SUCCESS]", "--processes", "1"),
    # its first attempt is over, its second waits for a process when the flow's time is over
    "a round that waits for its second attempt": (
        "tasks:\n  n:\n    timeout: 200ms\n    tasks:\n"
        "      r: {repeat: {until: true}, retry: {attempts: 2, delay: 0s}, run: ['false']}\n"
        "  f: {noop: }\n  g: {needs: f, noop: }\n  e: {needs: g, run: [sleep, '0.6']}\n",
        "n:R f:R f:S n/r:R n/r/0:R g:R g:S n/r/0:Rt e:R n/r/0:F n/r:F n/r/0:nr n:F e:S e:nr g:nr f:nr [FAILURE]",
        "--processes", "1"),
    "a body that is too deep to look into": (
        X % ("[" * 190 + "]" * 190) + "tasks: {a: {http: {url: 'http://127.0.0.1:1/', method: POST, body: %s}}}" %
        ("[" * 180 + "'${ " + "[" * 160 + "input.x" + "]" * 160 + " }'" + "]" * 180), "a:R a:F a:nr [FAILURE]"),
    "a result that fails": ("tasks:\n  e: {foreach: [1, 2], fail: no}\n"
                            "  h: {needs: {e: failure}, set: '${ tasks.e.result }', expect: result == null}\n",
                            "e:R e/0:R e/0:F e/1:I e:F h:R h:S [SUCCESS]"),
}

VALUES = {
    "a line end of elsewhere": ("output: '${ tasks.a.result }'\ntasks: {a: {run: [printf, 'x\\r\\n']}}", "x"),
    "a list on stdout": ("output: '${ tasks.a.result }'\ntasks: {a: {run: [echo, '[1, 2]']}}", [1, 2]),
    "a number on stdout": ("output: '${ tasks.a.result }'\ntasks: {a: {run: [echo, '7']}}", "7"),
    "bytes that are no text": ("output: '${ tasks.a.result }'\ntasks: {a: {run: [printf, 'a\\377b']}}", "a\ufffdb"),
    "a command of all kinds": (X % "[echo, 1, true, 2.5, x]" + "output: '${ tasks.a.result }'\ntasks: {a: {run: '${ input.x }'}}", "1 true 2.5 x"),
    # of what has not ended nothing is known
    "what still runs": ("output: '${ tasks.c.result }'\ntasks:\n  a: {noop: }\n  b: {run: [sleep, '0.5']}\n"
                        "  c: {needs: [a, b], join: any, set: '${ [tasks.a.state, tasks.b.result, tasks.b.failure, tasks.b.state] }'}\n",
                        ["SUCCESS", None, None, "RUNNING"]),
    "all tasks": ("output: '${ tasks }'\ntasks: {a: {set: 1}, b: {needs: a, if: false, noop: }}",
                  {"a": {"result": 1, "failure": None, "state": "SUCCESS"}, "b": {"result": None, "failure": None, "state": "SKIPPED"}}),
    "a task by a computed name": (X % "b" + "output: '${ tasks[input.x].result }'\ntasks: {a: {set: 1}, b: {set: 2}}", 2),
}


def said(tmp_path, body):
    file = tmp_path / "flow.yaml"
    file.write_text("flow: case\n" + body)
    done = subprocess.run([TOOL, "flow", "run", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("name", FAILS)
def test_failures(tmp_path, name):
    body, words = FAILS[name]
    assert words in said(tmp_path, body)


@pytest.mark.parametrize("name", MOVES)
def test_moves(tmp_path, name):
    require(tmp_path, *MOVES[name])


@pytest.mark.parametrize("name", VALUES)
def test_values(tmp_path, name):
    body, value = VALUES[name]
    assert output(tmp_path, body) == value


def test_replaced_bytes_are_told(tmp_path):
    lines, _ = play(tmp_path, "flow: case\ntasks: {a: {run: [printf, 'a\\377b']}}")
    assert [line["detail"] for line in lines if line["task"] and line["state"] == "SUCCESS"] == [
        "stdout held NUL or malformed UTF-8: replaced by U+FFFD"]


def test_the_end_sees_tasks_that_were_not_wanted(tmp_path):
    lines, code = play(tmp_path, "flow: case\ntasks: {a: {noop: }, z: {noop: }}\n"
                       "finally: {set: '${ [tasks.z, tasks.z.result, tasks.a.state] }',"
                       " expect: 'result[0].failure == null && result[1] == null && result[2] == \"SUCCESS\"'}\n", "--target", "a")
    assert code == 0
    assert [json.dumps([line["task"], line["state"]]) for line in lines if line["task"]] == [
        '["a", "RUNNING"]', '["a", "SUCCESS"]', '["finally", "RUNNING"]', '["finally", "SUCCESS"]']
