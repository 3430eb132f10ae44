# SPDX-License-Identifier: Apache-2.0
"""TaskFlow's cases (S17, R5, …) by the exact order of moves, those that test_language.py does not have;
what differs here is said beside them and in docs/coming-from-taskflow.md. Crash and resume are played
by flow-crash over engine/sim/tests/flows.
"""
import pytest

from flow_run import BAD, OK, STUCK, history, output, require, steps

# a->b says no; sub (with g11 inside) needs both, c needs b, d needs c
DECIDERS = """tasks:
  a: {noop: }
  b: {noop: , needs: a, if: false, skip: %s}
  c: {noop: , needs: b}
  d: {noop: , needs: c}
  sub: {needs: [a, b], steps: [{name: g11, noop: }]}
"""

# two attempts of a flow that fails with its value, as S33
EACH_VALUE = """input: {ips: {type: array, default: [3, 2]}}
steps:
  - {name: t0, noop: , revert: {noop: }}
  - name: r
    retry: {values: %s, delay: 0s}
    steps:
      - {name: t1, fail: "Woot with ${ retry.value }", revert: {noop: }}
finally: {noop: , if: "failure.message == 'Woot with %s'"}
"""
TRY = "r:R r/t1:R r/t1:F r:Rv r/t1:Rv r/t1:Rd "
AGAIN = "r:Rt r/t1:P "

CASES = {
    # --- 8.1 basic, order of undoing -----------------------------------------------------------
    # what failed and what the task gave are there when it is undone; also all that failed
    "8.1 result and failures in a revert": (
        "steps:\n  - {name: a, set: RESULT, revert: {set: '${ [result, failure.task, failure.message] }',\n"
        "       expect: \"result == ['RESULT', 'b', 'Woot'] && failures.map(one, one.task) == ['b']\"}}\n"
        "  - {name: b, fail: Woot, revert: {noop: , if: result == null}}\n",
        "a:R a:S b:R b:F [REVERTING] b:Rv b:Rd a:Rv a:Rd [REVERTED]"),
    # the revert of a half-done task sees null for its result
    "S-x1": (
        "tasks:\n" + "".join(
            "  %s: {sh: '%s', revert: {set: '${ failures.map(one, one.task) }', expect: result.size() == 2}}\n"
            % (name, code) for name, code in
            (("a", "sleep 0.2; exit 1"), ("b", "sleep 0.2; exit 1"), ("c", "sleep 0.2"))),
        "{a:R b:R c:R} {a:F b:F c:S} [REVERTING] {a:Rv a:Rd b:Rv b:Rd c:Rv c:Rd} [REVERTED]"),
    # --- 8.2 graph and data --------------------------------------------------------------------
    "S16": (
        "tasks:\n  z: {needs: y, set: '${ tasks.task2.result[0] + tasks.task2.result[1] + tasks.y.result }',\n"
        "      expect: result == 42}\n"
        "  y: {needs: task2, set: '${ tasks.task2.result[2] + tasks.task2.result[1] + input.x }', expect: result == 38}\n"
        "  task2: {set: [1, 3, 5]}\ninput: {x: {type: integer, default: 30}}\n",
        "task2:R task2:S y:R y:S z:R z:S [SUCCESS]"),
    # --- 8.3 retries -----------------------------------------------------------------------------
    # the inner retry alone is asked; TaskFlow's r2 would undo t4, too, had it run
    "S20": (
        "steps:\n  - name: r1\n    retry: {attempts: 1}\n    steps:\n"
        "      - {name: t1, noop: , revert: {noop: }}\n"
        "      - name: r2\n        retry: {attempts: 3, delay: 0s}\n        steps:\n"
        "          - {name: t2, noop: , revert: {noop: }}\n"
        "          - {name: t3, if: retry.attempt < 2, fail: Woot, revert: {noop: }}\n"
        "      - {name: t4, noop: }\n",
        "r1:R r1/t1:R r1/t1:S r1/r2:R r1/r2/t2:R r1/r2/t2:S r1/r2/t3:R r1/r2/t3:F r1/r2:Rv r1/r2/t3:Rv "
        "r1/r2/t3:Rd r1/r2/t2:Rv r1/r2/t2:Rd r1/r2:Rt r1/r2/t2:P r1/r2/t3:P r1/r2:R r1/r2/t2:R r1/r2/t2:S "
        "r1/r2/t3:I r1/r2:S r1/t4:R r1/t4:S r1:S [SUCCESS]"),
    # TaskFlow keeps t1; here the flow around undoes itself, as with its revert_all (S26)
    "S25": (
        "steps:\n  - {name: t1, noop: , revert: {noop: }}\n  - name: r\n    retry: {attempts: 1}\n"
        "    steps: [{name: t2, fail: Woot, revert: {noop: }}]\n",
        "t1:R t1:S r:R r/t2:R r/t2:F r:Rv r/t2:Rv r/t2:Rd r:F [REVERTING] t1:Rv t1:Rd [REVERTED]"),
    "S26": (
        "steps:\n  - {name: t1, noop: , revert: {noop: }}\n  - name: r\n    on_failure: revert_all\n"
        "    steps: [{name: t2, fail: Woot, revert: {noop: }}]\n",
        "t1:R t1:S r:R r/t2:R r/t2:F r:Rv r/t2:Rv r/t2:Rd r:F [REVERTING] t1:Rv t1:Rd [REVERTED]"),
    "S29": (
        "steps:\n  - name: r1\n    steps:\n      - {name: t1, noop: , revert: {noop: }}\n"
        "      - {name: r2, steps: [{name: t2, fail: Woot, revert: {noop: }}]}\n      - {name: t3, noop: }\n",
        "r1:R r1/t1:R r1/t1:S r1/r2:R r1/r2/t2:R r1/r2/t2:F r1/r2:Rv r1/r2/t2:Rv r1/r2/t2:Rd r1/r2:F "
        "r1/t3:I r1:Rv r1/t1:Rv r1/t1:Rd r1:F [REVERTED]"),
    "S32": (
        "retry: {attempts: 3, delay: 0s}\n" + steps(t1=OK, t2=BAD),
        ("t1:R t1:S t2:R t2:F [REVERTING] t2:Rv t2:Rd t1:Rv t1:Rd t1:P t2:P [RUNNING] " * 2 +
         "t1:R t1:S t2:R t2:F [REVERTING] t2:Rv t2:Rd t1:Rv t1:Rd [REVERTED]")),
    "S33": (
        EACH_VALUE % ("[3, 2, 3, 5]", 5),
        "t0:R t0:S " + (TRY + AGAIN) * 3 + TRY +
        "r:F [REVERTING] t0:Rv t0:Rd finally:R finally:S [REVERTED]"),
    # TaskFlow keeps t0 (S34), unless told to revert all (S35)
    "S34": (
        EACH_VALUE % ("[3, 2]", 2),
        "t0:R t0:S " + TRY + AGAIN + TRY +
        "r:F [REVERTING] t0:Rv t0:Rd finally:R finally:S [REVERTED]"),
    "S37 S38 values of an input": (
        EACH_VALUE % ("'${ input.ips }'", 2),
        "t0:R t0:S " + TRY + AGAIN + TRY +
        "r:F [REVERTING] t0:Rv t0:Rd finally:R finally:S [REVERTED]"),
    "S36 no values at all": (
        "steps:\n  - {name: t0, noop: , revert: {noop: }}\n  - name: r\n    retry: {values: '${ [] }'}\n"
        "    steps: [{name: t1, noop: }]\nfinally: {noop: , if: failure.class == 'expression'}\n",
        "t0:R t0:S r:R r:F r:nr [REVERTING] t0:Rv t0:Rd finally:R finally:S [REVERTED]"),
    "S39 values that can't be computed": (
        "steps:\n  - {name: t0, noop: , revert: {noop: }}\n  - name: r\n    retry: {values: '${ [1 / 0] }'}\n"
        "    steps: [{name: t1, noop: }]\nfinally: {noop: , if: failure.class == 'expression'}\n",
        "t0:R t0:S r:R r:F r:nr [REVERTING] t0:Rv t0:Rd finally:R finally:S [REVERTED]"),
    # TaskFlow undoes nothing when the question itself fails; here that is a no
    "S41 a question that fails": (
        "steps:\n  - {name: t0, noop: , revert: {noop: }}\n"
        "  - {name: t1, fail: Woot, revert: {noop: }, retry: {attempts: 3, if: 1 / 0 == 1}}\n"
        "finally: {noop: , if: failure.message == 'Woot'}\n",
        "t0:R t0:S t1:R t1:F [REVERTING] t1:Rv t1:Rd t0:Rv t0:Rd finally:R finally:S [REVERTED]"),
    "S-x5": (
        "tasks:\n  r:\n    retry: {attempts: 3, delay: 0s}\n    tasks:\n"
        "      t1: {sh: sleep 0.1, revert: {noop: }}\n"
        "      t2: {sh: 'sleep 0.1; test $N != 1', env: {N: '${ retry.attempt }'}, revert: {noop: }}\n",
        "r:R {r/t1:R r/t2:R} {r/t1:S r/t2:F} r:Rv {r/t1:Rv r/t1:Rd r/t2:Rv r/t2:Rd} r:Rt {r/t1:P r/t2:P} "
        "r:R {r/t1:R r/t2:R} {r/t1:S r/t2:S} r:S [SUCCESS]"),
    # a failure that was healed is forgotten: TaskFlow raises it again and shows it to t2's revert
    "S-x10": (
        "steps:\n  - name: n\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
        "      - {name: t1, if: retry.attempt < 2, fail: once}\n"
        "  - {name: t2, fail: Woot, revert: {set: '${ failures.map(one, one.task) }', expect: \"result == ['t2']\"}}\n"
        "finally: {noop: , if: failure.message == 'Woot'}\n",
        "n:R n/t1:R n/t1:F n/t1:nr n:Rt n/t1:P n:R n/t1:I n:S t2:R t2:F [REVERTING] t2:Rv t2:Rd "
        "finally:R finally:S [REVERTED]"),
    # --- 8.4 deciders ----------------------------------------------------------------------------
    "S46": (DECIDERS % "all", "a:R a:S b:I {c:I d:I sub:I} [SUCCESS]"),
    # TaskFlow's FLOW and NEIGHBORS pass over tasks only; here a nested flow is a task like any other
    "S47": (DECIDERS % "flow", "a:R a:S b:I {c:I d:I sub:I} [SUCCESS]"),
    "S48": (DECIDERS % "neighbors", "a:R a:S b:I c:I sub:I d:R d:S [SUCCESS]"),
    "S49": (DECIDERS % "task", "a:R a:S b:I c:R c:S {sub:R d:R d:S sub/g11:R sub/g11:S sub:S} [SUCCESS]"),
    # what is to run whatever was passed over says `done`
    "S47 past the no": (
        (DECIDERS % "flow").replace("needs: [a, b]", "needs: {a: success, b: done}"),
        "a:R a:S b:I c:I d:I sub:R sub/g11:R sub/g11:S sub:S [SUCCESS]"),
    # a flow that is passed over is one line
    "S52": (
        "tasks:\n  a: {set: 1}\n  b: {needs: a, set: 2}\n"
        "  n: {needs: b, if: tasks.b.result == 1, steps: [{name: c, noop: }, {name: d, noop: }]}\n",
        "a:R a:S b:R b:S n:I [SUCCESS]"),
    "S54": (
        "tasks:\n  a: {noop: }\n  n: {needs: a, if: false, retry: {attempts: 2}, steps: [{name: b, noop: }]}\n",
        "a:R a:S n:I [SUCCESS]"),
    "8.4 even or odd": (
        "tasks:\n  task1: {set: 2}\n  even: {needs: task1, if: tasks.task1.result % 2 == 0, noop: }\n"
        "  odd: {needs: task1, if: tasks.task1.result % 2 == 1, noop: }\n",
        "task1:R task1:S even:R even:S odd:I [SUCCESS]"),
    "8.4 a no that is a yes the next time": (
        "steps:\n  - name: n\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
        "      - {name: a, if: retry.attempt == 2, noop: }\n"
        "      - {name: b, if: retry.attempt == 1, fail: Woot}\n",
        "n:R n/a:I n/b:R n/b:F n/b:nr n:Rt n/a:P n/b:P n:R n/a:R n/a:S n/b:I n:S [SUCCESS]"),
    # TaskFlow leaves c RUNNING for ever; here its data is null, and what can't be computed fails
    "S-x11": (
        "tasks:\n  a: {noop: }\n  b: {needs: a, if: false, set: 1}\n  c: {needs: b, set: '${ tasks.b.result + 1 }'}\n"
        "finally: {noop: , if: failure.class == 'expression'}\n",
        "a:R a:S b:I c:R c:F c:nr a:nr finally:R finally:S [FAILURE]"),
    # --- 8.6: what a second run would do, as far as one run shows it -------------------------------
    # TaskFlow's second run calls this REVERTED; here it stays a FAILURE that somebody looks at
    "R7": (
        steps(a=OK, b=STUCK, c=BAD),
        "a:R a:S b:R b:S c:R c:F [REVERTING] c:Rv c:Rd b:Rv b:RF a:nu [FAILURE]"),
    # never_resolve
    "R8": ("on_failure: stop\n" + steps(a=OK, b=BAD), "a:R a:S b:R b:F [FAILURE]"),
}


@pytest.mark.parametrize("name", CASES)
def test_moves(tmp_path, name):
    require(tmp_path, *CASES[name])


def meet(tmp_path, own, other):
    """A program that ends only when its counterpart runs, too."""
    return "'touch %s/%s; while [ ! -e %s/%s ]; do sleep 0.02; done'" % (tmp_path, own, tmp_path, other)


def test_s11_side_by_side_is_undone_side_by_side(tmp_path):
    body = "tasks:\n"
    for own, other in (("a", "b"), ("b", "a")):
        body += "  %s: {noop: , revert: {timeout: 30s, sh: %s}}\n" % (own, meet(tmp_path, own, other))
    body += "  c: {needs: [a, b], fail: Woot, revert: {noop: }}\n"
    require(tmp_path, body, "a:R a:S b:R b:S c:R c:F [REVERTING] c:Rv c:Rd {a:Rv b:Rv} {a:Rd b:Rd} [REVERTED]")


def test_ten_times_ten(tmp_path):
    """Was exponential there."""
    body = "steps:\n" + "".join(
        "  - name: s%d\n    tasks: {%s}\n" % (i, ", ".join("t%d: {noop: }" % j for j in range(10)))
        for i in range(10))
    words = history(tmp_path, "flow: case\n" + body)
    assert len(words) == 10 * (2 + 20) + 1 and words[-3:] == ["s9/t9:S", "s9:S", "[SUCCESS]"]


def test_a_grid_of_diamonds(tmp_path):
    """Ten layers of ten, each task needing the whole layer before."""
    body = "tasks:\n"
    for i in range(10):
        before = ", ".join("t%d_%d" % (i - 1, j) for j in range(10)) if i else ""
        body += "".join("  t%d_%d: {noop: , needs: [%s]}\n" % (i, j, before) for j in range(10))
    assert len(history(tmp_path, "flow: case\n" + body)) == 201


def test_s55_target(tmp_path):
    require(tmp_path, "tasks:\n  a: {noop: }\n  b: {noop: , needs: a}\n  c: {noop: , needs: b}\n"
            "  d: {noop: , needs: a}\n", "a:R a:S b:R b:S [SUCCESS]", "--target", "b")


def test_s56_to_s63_data(tmp_path):
    chain = "input: {source: {type: integer, default: 0}}\ntasks:\n  a: {set: '${ input.source + 1 }'}\n" \
        "  b: {needs: a, set: '${ tasks.a.result + 1 }'}\n  c: {needs: b, set: '${ tasks.b.result + 1 }'}\n" \
        "output: ['${ tasks.a.result }', '${ tasks.b.result }', '${ tasks.c.result }']\n"
    assert output(tmp_path, chain) == [1, 2, 3]
    product = "input: {a: integer, b: {type: integer, default: 5}}\n" \
        "steps: [{name: p, set: '${ input.a * input.b }'}]\noutput: ${ tasks.p.result }\n"
    assert output(tmp_path, product, "-i", "a=3") == 15
    assert output(tmp_path, product, "-i", "a=3", "-i", "b=7") == 21
    parts = "steps:\n  - {name: d, set: {p: 0, q: 1}}\n" \
        "  - {name: e, set: '${ [tasks.d.result.p, tasks.d.result.q, tasks.d.result.?r.orValue(7)] }'}\n" \
        "output: ${ tasks.e.result }\n"
    assert output(tmp_path, parts) == [0, 1, 7]


def test_s62_a_part_that_is_missing(tmp_path):
    """There it is a warning and NotFound later; here the task that reads it fails."""
    require(tmp_path, "steps:\n  - {name: d, set: [1, 2, 3]}\n  - {name: e, set: '${ tasks.d.result[3] }'}\n"
            "finally: {noop: , if: failure.class == 'expression'}\n",
            "d:R d:S e:R e:F e:nr d:nr finally:R finally:S [FAILURE]")


def test_the_nearest_name_wins(tmp_path):
    assert output(tmp_path, "steps:\n  - {name: source, set: 5}\n  - name: n\n    steps:\n"
                  "      - {name: source, set: 1}\n      - {name: add, set: '${ tasks.source.result + 1 }'}\n"
                  "    output: ${ tasks.add.result }\noutput: ${ tasks.n.result }\n") == 2


def test_s_x7_revert_all_beats_a_retry_beside_it(tmp_path):
    words = history(
        tmp_path, "flow: case\nsteps:\n  - {name: t1, noop: , revert: {noop: }}\n  - name: u\n    tasks:\n"
        "      sub1: {on_failure: revert_all, steps: [{name: a, sh: exit 1, revert: {noop: }, retry: "
        "{attempts: 3, delay: 100ms}}]}\n"
        "      sub2: {retry: {attempts: 1000000, delay: 10ms}, steps: [{name: b, sh: exit 1, revert: {noop: }}]}\n"
        "finally: {noop: , if: failure.task == 'u/sub1/a'}\n")
    assert words.count("u/sub1/a:R") == 3 and "u/sub2:Rt" in words
    assert words[-5:] == "t1:Rv t1:Rd finally:R finally:S [REVERTED]".split()
