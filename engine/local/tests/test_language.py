# SPDX-License-Identifier: Apache-2.0
"""What the flow language means, by the exact order of moves (the notation: flow_run.py). Cases named
after S17 or R5 are TaskFlow's, with what differs here said beside them; test_taskflow.py has more.
"""
import json
import subprocess

import pytest

from flow_run import BAD, OK, STUCK, TOOL, history, output, require, steps

CASES = {
    # --- undo -------------------------------------------------------------------------------
    "S01": ("tasks:\n  a: " + OK, "a:R a:S [SUCCESS]"),
    "S02": ("tasks:\n  a: " + BAD, "a:R a:F [REVERTING] a:Rv a:Rd [REVERTED]"),
    "S03": (steps(a=OK, b=OK), "a:R a:S b:R b:S [SUCCESS]"),
    "S04": (steps(a=OK, b=OK, c=BAD),
            "a:R a:S b:R b:S c:R c:F [REVERTING] c:Rv c:Rd b:Rv b:Rd a:Rv a:Rd [REVERTED]"),
    # what never started is SKIPPED here
    "S05": (steps(a=BAD, b=OK), "a:R a:F b:I [REVERTING] a:Rv a:Rd [REVERTED]"),
    # the inner flow undoes itself before its failure reaches the outer one
    "S06": ("steps:\n  - {name: a, noop: , revert: {noop: }}\n  - name: n\n    steps:\n"
            "      - {name: b, noop: , revert: {noop: }}\n      - {name: c, fail: Woot, revert: {noop: }}\n",
            "a:R a:S n:R n/b:R n/b:S n/c:R n/c:F n:Rv n/c:Rv n/c:Rd n/b:Rv n/b:Rd n:F "
            "[REVERTING] a:Rv a:Rd [REVERTED]"),
    "S07": (steps(a=STUCK, b=BAD),
            "a:R a:S b:R b:F [REVERTING] b:Rv b:Rd a:Rv a:RF [FAILURE]"),
    # a failed revert leaves what it needed as it is
    "S09": (steps(z=OK, a="{fail: Woot, revert: {fail: Gotcha}}"),
            "z:R z:S a:R a:F [REVERTING] a:Rv a:RF z:nu [FAILURE]"),
    "S11": ("tasks:\n  a: " + OK + "\n  b: " + OK + "\n  c: {fail: Woot, revert: {noop: }, needs: [a, b]}\n",
            "a:R a:S b:R b:S c:R c:F [REVERTING] c:Rv c:Rd {a:Rv a:Rd b:Rv b:Rd} [REVERTED]"),
    # a failure without any revert is a FAILURE, not a REVERTED job
    "no revert anywhere": (steps(a="{noop: }", b="{fail: Woot}"),
                           "a:R a:S b:R b:F b:nr a:nr [FAILURE]"),
    "S14": ("tasks:\n  d: {noop: , revert: {noop: }, needs: c}\n  b: {noop: , revert: {noop: }, needs: a}\n"
            "  c: {fail: Woot, revert: {noop: }, needs: b}\n  a: " + OK,
            "a:R a:S b:R b:S c:R c:F d:I [REVERTING] c:Rv c:Rd b:Rv b:Rd a:Rv a:Rd [REVERTED]"),
    "S13": ("tasks:\n  c: {noop: , needs: b}\n  b: {noop: , needs: a}\n  a: {noop: }\n",
            "a:R a:S b:R b:S c:R c:S [SUCCESS]"),
    "revert if": (steps(a="{set: 1, revert: {noop: , if: result != null}}",
                        b="{fail: Woot, revert: {noop: , if: result != null}}"),
                  "a:R a:S b:R b:F b:ri [REVERTING] a:Rv a:Rd [REVERTED]"),
    # --- retries ------------------------------------------------------------------------------
    # a task's own retry just runs it again
    "task retry": (steps(a="{noop: , revert: {noop: }}",
                         b="{fail: Woot, retry: {attempts: 3, delay: 0s}}"),
                   "a:R a:S b:R b:Rt b:R b:Rt b:R b:F b:nr [REVERTING] a:Rv a:Rd [REVERTED]"),
    # a flow's retry undoes the flow and runs all of it again
    "S17": ("steps:\n  - name: r\n    retry: {attempts: 4, delay: 0s}\n    steps:\n"
            "      - {name: t1, noop: , revert: {noop: }}\n"
            "      - {name: t2, set: 1, revert: {noop: }}\n"
            "      - {name: t3, if: retry.attempt < 2, fail: Woot, revert: {noop: }}\n",
            "r:R r/t1:R r/t1:S r/t2:R r/t2:S r/t3:R r/t3:F r:Rv r/t3:Rv r/t3:Rd r/t2:Rv r/t2:Rd "
            "r/t1:Rv r/t1:Rd r:Rt r/t1:P r/t2:P r/t3:P r:R r/t1:R r/t1:S r/t2:R r/t2:S r/t3:I r:S "
            "[SUCCESS]"),
    "S18": ("steps:\n  - name: r\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
            "      - {name: t1, noop: , revert: {noop: }}\n      - {name: t2, fail: Woot, revert: {noop: }}\n",
            "r:R r/t1:R r/t1:S r/t2:R r/t2:F r:Rv r/t2:Rv r/t2:Rd r/t1:Rv r/t1:Rd r:Rt r/t1:P r/t2:P "
            "r:R r/t1:R r/t1:S r/t2:R r/t2:F r:Rv r/t2:Rv r/t2:Rd r/t1:Rv r/t1:Rd r:F [REVERTED]"),
    # TaskFlow leaves t1 SUCCESS in a job called REVERTED; here the levels are asked outward
    "S21": ("steps:\n  - {name: t1, noop: , revert: {noop: }}\n  - name: r\n    retry: {attempts: 1}\n    steps:\n"
            "      - {name: t2, noop: , revert: {noop: }}\n      - {name: t3, fail: Woot, revert: {noop: }}\n"
            "  - {name: t4, noop: }\n",
            "t1:R t1:S r:R r/t2:R r/t2:S r/t3:R r/t3:F r:Rv r/t3:Rv r/t3:Rd r/t2:Rv r/t2:Rd r:F t4:I "
            "[REVERTING] t1:Rv t1:Rd [REVERTED]"),
    # on_failure: revert_all in an inner flow asks no outer retry
    "S27": ("retry: {attempts: 3, delay: 0s}\nsteps:\n  - {name: t1, noop: , revert: {noop: }}\n"
            "  - name: n\n    steps:\n      - {name: t2, fail: Woot, on_failure: revert_all, revert: {noop: }}\n",
            "t1:R t1:S n:R n/t2:R n/t2:F n:F [REVERTING] n:Rv n/t2:Rv n/t2:Rd n:Rd t1:Rv t1:Rd [REVERTED]"),
    "S31": ("steps:\n  - name: r\n    retry: {attempts: 3, delay: 0s}\n    steps:\n"
            "      - {name: c, if: retry.attempt < 2, fail: Woot, revert: {noop: }}\n"
            "      - {name: t1, noop: }\n",
            "r:R r/c:R r/c:F r/t1:I r:Rv r/c:Rv r/c:Rd r:Rt r/c:P r/t1:P r:R r/c:I r/t1:R r/t1:S r:S "
            "[SUCCESS]"),
    # the job as the outermost flow has a retry like any other
    "job retry": ("retry: {attempts: 2, delay: 0s}\nsteps:\n  - {name: a, noop: , revert: {noop: }}\n"
                  "  - {name: b, fail: Woot}\n",
                  "a:R a:S b:R b:F b:nr [REVERTING] a:Rv a:Rd a:P b:P [RUNNING] a:R a:S b:R b:F b:nr "
                  "[REVERTING] a:Rv a:Rd [REVERTED]"),
    "retry values": (steps(a="{set: '${ retry.value }', retry: {values: [x, y]}}",
                           b="{set: '${ tasks.a.result }'}") + "output: ${ tasks.b.result }\n",
                     "a:R a:S b:R b:S [SUCCESS]"),
    # the inner values are those of the present outer one
    "values of values": ("retry: {values: [[1, 2, 3], [4]], delay: 0s}\n" +
                         steps(a="{fail: Woot, retry: {values: '${ retry.value }', delay: 0s}}"),
                         "a:R a:Rt a:R a:Rt a:R a:F a:nr a:P a:R a:F a:nr [FAILURE]"),
    "job stop": ("on_failure: stop\nsteps:\n  - {name: a, noop: , revert: {noop: }}\n  - name: n\n    steps:\n"
                 "      - {name: b, noop: , revert: {noop: }}\n      - {name: c, fail: Woot}\n",
                 "a:R a:S n:R n/b:R n/b:S n/c:R n/c:F n/c:nr n:Rv n/b:Rv n/b:Rd n:F [FAILURE]"),
    "job stop with a retry": ("on_failure: stop\nretry: {attempts: 2, delay: 0s}\n" + steps(a=OK, b=BAD),
                              "a:R a:S b:R b:F [REVERTING] b:Rv b:Rd a:Rv a:Rd a:P b:P [RUNNING] "
                              "a:R a:S b:R b:F [FAILURE]"),
    "stop in a flow that undid itself": (
        "steps:\n  - {name: a, noop: , revert: {noop: }}\n  - name: n\n    on_failure: stop\n    steps:\n"
        "      - {name: b, noop: , revert: {noop: }}\n      - {name: c, fail: Woot}\n",
        "a:R a:S n:R n/b:R n/b:S n/c:R n/c:F n/c:nr n:Rv n/b:Rv n/b:Rd n:F [FAILURE]"),
    "retry if": (steps(a="{fail: Woot, retry: {attempts: 5, delay: 0s, if: \"failure.class == 'exit'\"}}"),
                 "a:R a:F a:nr [FAILURE]"),
    "expressions are not retried": (
        steps(a="{set: '${ 1 / 0 }', retry: {attempts: 3, delay: 0s}}"), "a:R a:F a:nr [FAILURE]"),
    # --- choices --------------------------------------------------------------------------------
    "if no": (steps(a="{noop: }", b="{if: false, noop: }", c="{noop: }"),
              "a:R a:S b:I c:R c:S [SUCCESS]"),
    # a->b says no, a->sub says yes, sub holds g11; b->{sub, c}, c->d
    "S46 all": ("tasks:\n  a: {noop: }\n  n:\n    needs: a\n    steps:\n      - {name: b, if: false, skip: all, noop: }\n"
                "      - {name: c, noop: }\n  d: {noop: , needs: n}\n  e: {noop: , needs: a}\n",
                "a:R a:S n:R e:R e:S n/b:I n/c:I d:I n:S [SUCCESS]"),
    "S47 flow": ("tasks:\n  a: {noop: }\n  b: {noop: , needs: a, if: false, skip: flow}\n  c: {noop: , needs: b}\n"
                 "  d: {noop: , needs: c}\n  s: {noop: , needs: a}\n",
                 "a:R a:S b:I c:I d:I s:R s:S [SUCCESS]"),
    "S48 neighbors": ("tasks:\n  a: {noop: }\n  b: {noop: , needs: a, if: false, skip: neighbors}\n"
                      "  c: {noop: , needs: b}\n  d: {noop: , needs: c}\n",
                      "a:R a:S b:I c:I d:R d:S [SUCCESS]"),
    "S49 task": ("tasks:\n  a: {noop: }\n  b: {noop: , needs: a, if: false}\n  c: {noop: , needs: b}\n"
                 "  d: {noop: , needs: c}\n", "a:R a:S b:I c:R c:S d:R d:S [SUCCESS]"),
    "S51 diamond, one no": ("tasks:\n  a: {noop: }\n  b: {noop: , needs: a, if: false, skip: flow}\n"
                            "  c: {noop: , needs: a}\n  d: {noop: , needs: [b, c]}\n",
                            "a:R a:S b:I d:I c:R c:S [SUCCESS]"),
    "S-x4 a condition that fails": (steps(a="{noop: }", b="{if: '${ 1 / 0 == 1 }', noop: }"),
                                    "a:R a:S b:F a:nr [FAILURE]"),
    "early exit": (steps(a="{if: false, skip: flow, noop: }", b="{noop: }", c="{noop: }"),
                   "a:I b:I c:I [SUCCESS]"),
    # --- needs ----------------------------------------------------------------------------------
    "a failure is handled": ("tasks:\n  a: {fail: Woot}\n  b: {noop: , needs: {a: failure}}\n"
                             "  c: {noop: , needs: a}\n", "a:R a:F c:I b:R b:S [SUCCESS]"),
    "no failure to handle": ("tasks:\n  a: {noop: }\n  b: {noop: , needs: {a: failure}}\n"
                             "  c: {noop: , needs: b}\n  d: {noop: , needs: [a, b]}\n",
                             "a:R a:S b:I c:I d:R d:S [SUCCESS]"),
    "a handler passed over handles nothing": (
        "tasks:\n  a: {fail: Woot}\n  b: {if: false, noop: , needs: {a: failure}}\n",
        "a:R a:F b:I a:nr [FAILURE]"),
    "done comes after any end": ("tasks:\n  a: {fail: Woot}\n  b: {noop: , needs: {a: done}}\n",
                                 "a:R a:F b:R b:S b:nr a:nr [FAILURE]"),
    "any of two": ("tasks:\n  a: {fail: Woot}\n  b: {noop: }\n  c: {noop: , needs: [a, b], join: any}\n",
                   "a:R a:F b:R b:S c:R c:S [SUCCESS]"),
    "any of none": ("tasks:\n  a: {fail: Woot}\n  b: {fail: Woot}\n  c: {noop: , needs: [a, b], join: any}\n",
                    "a:R a:F b:R b:F c:I b:nr a:nr [FAILURE]"),
    "two of three": ("tasks:\n  a: {noop: }\n  b: {fail: Woot}\n  c: {noop: }\n"
                     "  d: {noop: , needs: [a, b, c], join: 2}\n",
                     "a:R a:S b:R b:F c:R c:S d:R d:S [SUCCESS]"),
    "continue": (steps(a="{fail: Woot, on_failure: continue}", b="{noop: }"),
                 "a:R a:F b:R b:S [SUCCESS]"),
    "stop": (steps(a=OK, b="{fail: Woot, on_failure: stop}", c="{noop: }"),
             "a:R a:S b:R b:F c:I [FAILURE]"),
    "revert_all beats stop": (
        "tasks:\n  a: " + OK + "\n  b: {sh: exit 1, on_failure: stop, needs: a}\n"
        "  c: {sh: 'sleep 0.5; exit 1', on_failure: revert_all, needs: a}\n",
        "a:R a:S b:R c:R b:F c:F c:nr b:nr [REVERTING] a:Rv a:Rd [REVERTED]"),
    # --- loops ------------------------------------------------------------------------------------
    "foreach": ("tasks:\n  e: {foreach: [1, 2], set: '${ item * 10 + index }'}\n  f: {needs: e, set: '${ tasks.e.result }'}\n",
                "e:R e/0:R e/0:S e/1:R e/1:S e:S f:R f:S [SUCCESS]"),
    "foreach of nothing": ("tasks:\n  e: {foreach: [], noop: }\n", "e:R e:S [SUCCESS]"),
    "foreach over an object": ("tasks:\n  e: {foreach: {in: {x: 1}}, set: '${ item.key }'}\n",
                               "e:R e/0:R e/0:S e:S [SUCCESS]"),
    "foreach fails fast": (
        "tasks:\n  e: {foreach: {in: [1, 2, 3], concurrency: 1}, fail: Woot, revert: {noop: }}\n",
        "e:R e/0:R e/0:F e/1:I e/2:I e:F [REVERTING] e:Rv e/0:Rv e/0:Rd e:Rd [REVERTED]"),
    "foreach with enough": (
        "tasks:\n  e:\n    foreach: {in: [1, 2, 3], concurrency: 1, enough: 2}\n    steps:\n"
        "      - {name: x, if: item == 2, fail: Woot}\n",
        "e:R e/0:R e/0/x:I e/0:S e/1:R e/1/x:R e/1/x:F e/1/x:nr e/1:F e/2:R e/2/x:I e/2:S e:S [SUCCESS]"),
    "items are undone in reverse": (
        "steps:\n  - {name: e, foreach: {in: [1, 2], concurrency: 1}, noop: , revert: {noop: }}\n"
        "  - {name: f, fail: Woot}\n",
        "e:R e/0:R e/0:S e/1:R e/1:S e:S f:R f:F f:nr [REVERTING] e:Rv e/1:Rv e/1:Rd e/0:Rv e/0:Rd e:Rd "
        "[REVERTED]"),
    "repeat": ("tasks:\n  r: {repeat: {until: result == 2}, set: '${ round }'}\n",
               "r:R r/0:R r/0:S r/1:R r/1:S r/2:R r/2:S r:S [SUCCESS]"),
    "repeat gives up": ("tasks:\n  r: {repeat: {until: false, times: 2}, noop: }\n",
                        "r:R r/0:R r/0:S r/1:R r/1:S r:F r/1:nr r/0:nr [FAILURE]"),
    "repeat sees the round before": (
        "tasks:\n  r: {repeat: {until: result.n >= 3}, set: {n: '${ prev == null ? 1 : prev.n + 1 }'}}\n",
        "r:R r/0:R r/0:S r/1:R r/1:S r/2:R r/2:S r:S [SUCCESS]"),
    # --- finally -----------------------------------------------------------------------------------
    "finally after success": ("steps: [{name: a, noop: }]\nfinally: {noop: }\n",
                              "a:R a:S finally:R finally:S [SUCCESS]"),
    "finally after undo": ("steps: [{name: a, noop: , revert: {noop: }}, {name: b, fail: Woot}]\n"
                           "finally: {fail: 'it does not matter'}\n",
                           "a:R a:S b:R b:F b:nr [REVERTING] a:Rv a:Rd finally:R finally:F [REVERTED]"),
    "finally sees it all": (
        "steps: [{name: a, fail: Woot}]\nfinally:\n  if: job.state == 'FAILURE' && failure.message == 'Woot'\n"
        "  noop:\n", "a:R a:F a:nr finally:R finally:S [FAILURE]"),
    # --- times -------------------------------------------------------------------------------------
    "timeout": (steps(a="{run: [sleep, '30'], timeout: 100ms}"), "a:R a:F a:nr [FAILURE]"),
    "timeout of a flow": (
        "steps:\n  - name: n\n    timeout: 150ms\n    steps:\n      - {name: a, run: [sleep, '30']}\n",
        "n:R n/a:R n/a:F n/a:nr n:F [FAILURE]"),
}


@pytest.mark.parametrize("name", CASES)
def test_moves(tmp_path, name):
    require(tmp_path, *CASES[name])


def test_deadline_is_over_the_retries(tmp_path):
    """How many attempts fit into it is the machine's business; that it ends them is not."""
    words = history(tmp_path, "flow: case\n" + steps(
        a="{run: [sleep, '30'], timeout: 100ms, deadline: 900ms, retry: {attempts: 50, delay: 10ms}}"))
    assert words[-3:] == ["a:F", "a:nr", "[FAILURE]"]
    assert 1 <= words.count("a:Rt") <= 9


def test_results(tmp_path):
    assert output(tmp_path, "tasks:\n  e: {foreach: [3, 4], set: '${ item + index }'}\n"
                            "output: ${ tasks.e.result }\n") == [3, 5]
    assert output(tmp_path, "tasks:\n  e: {foreach: {in: {b: 1, a: 2}}, set: '${ item.value }'}\n"
                            "output: ${ tasks.e.result }\n") == {"b": 1, "a": 2}
    assert output(tmp_path, "steps:\n  - name: n\n    output: {x: '${ tasks.a.result }'}\n    steps:\n"
                            "      - {name: a, set: 7}\noutput: ${ tasks.n.result.x }\n") == 7
    assert output(tmp_path, "steps:\n  - {name: a, set: 1}\n  - name: n\n    output: ${ tasks.b.result }\n"
                            "    steps:\n      - {name: b, set: '${ tasks.a.result + 1 }'}\n"
                            "output: ${ tasks.n.result }\n") == 2
    assert output(tmp_path, "steps:\n  - {name: a, fail: Woot, on_failure: continue}\n"
                            "  - {name: b, set: '${ tasks.a.failure.message }'}\n"
                            "output: ${ tasks.b.result }\n") == "Woot"


def test_values_one_by_one(tmp_path):
    flow = ("flow: case\nsteps:\n  - name: a\n    run: [sh, -c, 'test \"$0\" = three', '${ retry.value }']\n"
            "    retry: {values: [one, two, three], delay: 0s}\n")
    assert history(tmp_path, flow) == "a:R a:Rt a:R a:Rt a:R a:S [SUCCESS]".split()


def test_one_key_for_all_attempts(tmp_path):
    log = tmp_path / "keys"
    flow = ("flow: case\nsteps:\n  - name: a\n    sh: 'echo $JOB_KEY >>%s; exit 1'\n"
            "    retry: {attempts: 3, delay: 0s}\n    revert: {sh: 'echo $JOB_KEY >>%s'}\n" % (log, log))
    history(tmp_path, flow)
    keys = log.read_text().split()
    assert len(keys) == 4 and len(set(keys[:3])) == 1 and keys[3] == keys[0] + "/revert"


def test_a_retried_flow_has_new_keys(tmp_path):
    log = tmp_path / "keys"
    flow = ("flow: case\nsteps:\n  - name: n\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
            "      - {name: a, sh: 'echo $JOB_KEY >>%s; exit 1'}\n" % log)
    history(tmp_path, flow)
    keys = log.read_text().split()
    assert len(keys) == 2 and keys[0] != keys[1]


def test_ten_thousand_in_a_row(tmp_path):
    body = "steps:\n" + "".join("  - {name: t%d, noop: }\n" % i for i in range(10000))
    words = history(tmp_path, "flow: case\n" + body)
    assert len(words) == 20001 and words[-1] == "[SUCCESS]"


def test_ten_thousand_side_by_side(tmp_path):
    body = "tasks:\n  a: {noop: }\n" + "".join("  t%d: {noop: , needs: a}\n" % i for i in range(9998)) + \
           "  z: {noop: , needs: [%s]}\n" % ", ".join("t%d" % i for i in range(9998))
    words = history(tmp_path, "flow: case\n" + body)
    assert len(words) == 20001 and words[-2] == "z:S"


def test_a_hundred_thousand_items(tmp_path):
    flow = "flow: case\ninput: {n: array}\ntasks:\n  e: {foreach: '${ input.n }', noop: }\n"
    document = tmp_path / "input.json"
    document.write_text(json.dumps({"n": list(range(100000))}))
    words = history(tmp_path, flow, "--input", str(document))
    assert len(words) == 200003 and words[-2:] == ["e:S", "[SUCCESS]"]


TARGETS = """flow: case
steps:
  - {name: a, noop: }
  - name: deploy
    output: ${ tasks.canary.result }
    tasks:
      build: {noop: }
      canary: {needs: build, set: 7}
      rest: {needs: canary, noop: }
  - {name: last, noop: }
output: ${ tasks.last.result }
finally: {set: "${ [tasks.a.state, tasks.last.result] }"}
"""


@pytest.mark.parametrize("target, expected", [
    ("a", "a:R a:S"),
    ("deploy", "a:R a:S deploy:R deploy/build:R deploy/build:S deploy/canary:R deploy/canary:S "
               "deploy/rest:R deploy/rest:S deploy:S"),
    ("deploy/canary", "a:R a:S deploy:R deploy/build:R deploy/build:S deploy/canary:R "
                      "deploy/canary:S deploy:S"),
])
def test_a_target_runs_with_what_it_needs(tmp_path, target, expected):
    assert history(tmp_path, TARGETS, "--target", target) == \
        expected.split() + "finally:R finally:S [SUCCESS]".split()


def test_a_target_that_is_none(tmp_path):
    file = tmp_path / "flow.yaml"
    file.write_text(TARGETS)
    for target, code, said in (("deplyo", 5, "did you mean 'deploy'?"), ("finally", 2, "every run")):
        done = subprocess.run([TOOL, "flow", "run", str(file), "--target", target],
                              capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (code, "") and said in done.stderr
