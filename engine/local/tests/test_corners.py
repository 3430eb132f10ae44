# SPDX-License-Identifier: Apache-2.0
"""Where two constructs meet: what docs/flow-language.md says of both, by the exact order of moves."""
import pytest

from flow_run import BAD, OK, STUCK, history, require, steps

CASES = {
    # --- retries and loops --------------------------------------------------------------------
    # an item's own flow is retried; then the flow around, in which its counter starts afresh
    "a retried item in a retried flow": (
        "steps:\n  - name: n\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
        "      - name: e\n        foreach: {in: [1, 2], concurrency: 1}\n        retry: {attempts: 2, delay: 0s}\n"
        "        steps: [{name: x, if: item == 2, fail: Woot}]\n",
        ("n:R n/e:R n/e/0:R n/e/0/x:I n/e/0:S n/e/1:R n/e/1/x:R n/e/1/x:F n/e/1/x:nr n/e/1:Rt n/e/1/x:P "
         "n/e/1:R n/e/1/x:R n/e/1/x:F n/e/1/x:nr n/e/1:F n/e:F ") +
        "n:Rt {n/e:P n/e/0:P n/e/0/x:P n/e/1:P n/e/1/x:P} " +
        ("n:R n/e:R n/e/0:R n/e/0/x:I n/e/0:S n/e/1:R n/e/1/x:R n/e/1/x:F n/e/1/x:nr n/e/1:Rt n/e/1/x:P "
         "n/e/1:R n/e/1/x:R n/e/1/x:F n/e/1/x:nr n/e/1:F n/e:F ") + "n:F [FAILURE]"),
    # a single verb as an item: tried twice, nothing undone in between
    "a retry holds for each item": (
        "tasks:\n  e:\n    foreach: {in: [1, 2], concurrency: 1, fail_fast: false}\n"
        "    retry: {attempts: 2, delay: 0s}\n    fail: no ${ item }\n    revert: {noop: }\n",
        "e:R e/0:R e/0:Rt e/0:R e/0:F e/1:R e/1:Rt e/1:R e/1:F e:F "
        "[REVERTING] e:Rv e/1:Rv e/1:Rd e/0:Rv e/0:Rd e:Rd [REVERTED]"),
    # a round that fails ends the loop; the flow around is undone round by round and begins anew
    "a loop in a retried flow": (
        "steps:\n  - name: n\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
        "      - name: r\n        repeat: {until: round == 1}\n        set: '${ [1, 2][round] / (retry.attempt - round) }'\n"
        "        revert: {noop: }\n",
        "n:R n/r:R n/r/0:R n/r/0:S n/r/1:R n/r/1:F n/r:F n:Rv n/r:Rv n/r/1:Rv n/r/1:Rd n/r/0:Rv n/r/0:Rd "
        "n/r:Rd n:F [REVERTED]"),
    "a round has attempts of its own": (
        "tasks:\n  r: {repeat: {until: round == 1}, retry: {values: [0, 1], delay: 0s}, "
        "set: '${ retry.value }', expect: result == 1}\n",
        "r:R r/0:R r/0:Rt r/0:R r/0:S r/1:R r/1:Rt r/1:R r/1:S r:S [SUCCESS]"),
    "an item has rounds of its own": (
        "tasks:\n  e: {foreach: {in: [1, 2], concurrency: 1}, repeat: {until: round + 1 == item}, noop: }\n",
        "e:R e/0:R e/0/0:R e/0/0:S e/0:S e/1:R e/1/0:R e/1/0:S e/1/1:R e/1/1:S e/1:S e:S [SUCCESS]"),
    # retry.value is looked for outward; the own attempts are the nearest retry
    "an inner retry sees the outer value": (
        "retry: {values: [x, y], delay: 0s}\nsteps:\n"
        "  - {name: a, retry: {attempts: 2, delay: 0s}, set: '${ [retry.value, retry.attempt] }',\n"
        "     expect: \"result[0] == 'y' && result[1] == 2\"}\n",
        "a:R a:Rt a:R a:F a:nr a:P a:R a:Rt a:R a:S [SUCCESS]"),
    "what was tried is told": (
        "retry: {values: [x, y, z], delay: 0s}\nsteps:\n"
        "  - {name: a, if: \"retry.earlier.map(one, one.value + one.failure.message) != ['xWoot', 'yWoot']\", fail: Woot}\n",
        "a:R a:F a:nr a:P a:R a:F a:nr a:P a:I [SUCCESS]"),
    # --- on_failure of inner levels --------------------------------------------------------------
    "stop asks no level further out": (
        "retry: {attempts: 3, delay: 0s}\nsteps:\n  - {name: a, noop: , revert: {noop: }}\n  - name: n\n"
        "    retry: {attempts: 3, delay: 0s}\n    steps:\n      - {name: b, noop: , revert: {noop: }}\n"
        "      - {name: c, fail: Woot, on_failure: stop}\n      - {name: d, noop: }\n  - {name: e, noop: }\n",
        "a:R a:S n:R n/b:R n/b:S n/c:R n/c:F {n/d:I n:F e:I} [FAILURE]"),
    # its own retry comes first: on_failure is of the whole task
    "stop after the own retry": (
        steps(a=OK, b="{fail: Woot, on_failure: stop, retry: {attempts: 2, delay: 0s}}"),
        "a:R a:S b:R b:Rt b:R b:F [FAILURE]"),
    "revert_all after the own retry of a flow": (
        "retry: {attempts: 3, delay: 0s}\nsteps:\n  - {name: a, noop: , revert: {noop: }}\n"
        "  - {name: n, on_failure: revert_all, retry: {attempts: 2, delay: 0s}, steps: [{name: b, fail: Woot}]}\n",
        "a:R a:S n:R n/b:R n/b:F n/b:nr n:Rt n/b:P n:R n/b:R n/b:F n/b:nr n:F [REVERTING] a:Rv a:Rd [REVERTED]"),
    # the flow undid itself, and the job goes on
    "continue after a flow that undid itself": (
        "steps:\n  - name: n\n    on_failure: continue\n    steps:\n      - {name: a, noop: , revert: {noop: }}\n"
        "      - {name: b, fail: Woot}\n  - {name: c, if: tasks.n.result == null, noop: }\n",
        "n:R n/a:R n/a:S n/b:R n/b:F n/b:nr n:Rv n/a:Rv n/a:Rd n:F c:R c:S [SUCCESS]"),
    "a handler after a flow that undid itself": (
        "tasks:\n  n:\n    steps:\n      - {name: a, noop: , revert: {noop: }}\n      - {name: b, fail: Woot}\n"
        "  h: {needs: {n: failure}, if: tasks.n.failure.task == 'n/b', noop: }\n",
        "n:R n/a:R n/a:S n/b:R n/b:F n/b:nr n:Rv n/a:Rv n/a:Rd n:F h:R h:S [SUCCESS]"),
    # a failure that was handled is undone like any other once its flow fails
    "handled, and undone later": (
        "tasks:\n  a: " + BAD + "\n  h: {needs: {a: failure}, noop: , revert: {noop: }}\n"
        "  z: {needs: h, fail: later}\n",
        "a:R a:F h:R h:S z:R z:F z:nr [REVERTING] h:Rv h:Rd a:Rv a:Rd [REVERTED]"),
    # who handles it fails itself: then nobody did more than try, but it ran
    "a handler that fails": (
        "tasks:\n  a: " + BAD + "\n  h: {needs: {a: failure}, fail: too}\n"
        "finally: {noop: , if: failure.message == 'too'}\n",
        "a:R a:F h:R h:F h:nr [REVERTING] a:Rv a:Rd finally:R finally:S [REVERTED]"),
    "continue for the whole of the items": (
        "steps:\n  - name: e\n    on_failure: continue\n    foreach: {in: [1, 2], concurrency: 1}\n"
        "    fail: Woot\n  - {name: z, if: \"tasks.e.failure.class == 'foreach'\", noop: }\n",
        "e:R e/0:R e/0:F e/1:I e:F z:R z:S [SUCCESS]"),
    "one item in a hundred may fail": (
        "steps:\n  - {name: e, foreach: {in: [1, 2, 0], concurrency: 1, enough: 60%}, set: '${ 1 / item }'}\n"
        "  - {name: z, if: 'tasks.e.result == [1, 0, null]', noop: }\n",
        "e:R e/0:R e/0:S e/1:R e/1:S e/2:R e/2:F e:S z:R z:S [SUCCESS]"),
    # --- choices and joins --------------------------------------------------------------------
    "neighbors whatever their join": (
        "tasks:\n  a: {if: false, skip: neighbors, noop: }\n  b: {noop: }\n"
        "  c: {noop: , needs: [a, b], join: any}\n  d: {noop: , needs: c}\n",
        "a:I {c:I b:R b:S} d:R d:S [SUCCESS]"),
    "flow whatever their join": (
        "tasks:\n  a: {if: false, skip: flow, noop: }\n  b: {noop: }\n"
        "  c: {noop: , needs: [a, b], join: any}\n  d: {noop: , needs: [c, b], join: any}\n",
        "a:I {c:I d:I b:R b:S} [SUCCESS]"),
    # `done` is met by what was passed over, `failure` is not
    "needs of what was passed over": (
        "tasks:\n  a: {if: false, skip: flow, noop: }\n  d: {noop: , needs: {a: done}}\n"
        "  f: {noop: , needs: {a: failure}}\n  s: {noop: , needs: a}\n",
        "a:I {f:I s:I d:R d:S} [SUCCESS]"),
    "all that was passed over does not count": (
        "tasks:\n  a: {if: false, noop: }\n  b: {if: false, noop: }\n  c: {noop: , needs: [a, b], join: any}\n"
        "  d: {noop: , needs: [a, b]}\n",
        "a:I b:I {c:I d:R d:S} [SUCCESS]"),
    "more than there are": (
        "input: {n: {type: integer, default: 3}}\ntasks:\n  a: {noop: }\n  b: {noop: }\n"
        "  c: {noop: , needs: [a, b], join: '${ input.n }'}\n  d: {noop: , needs: {c: done}}\n",
        "{a:R a:S b:R b:S c:I d:R d:S} [SUCCESS]"),
    "an early exit of one item": (
        "steps:\n  - name: e\n    foreach: {in: [1, 2], concurrency: 1}\n    steps:\n"
        "      - {name: a, if: item == 2, skip: flow, noop: }\n      - {name: b, noop: }\n"
        "  - {name: z, noop: }\n",
        "e:R e/0:R e/0/a:I e/0/b:I e/0:S e/1:R e/1/a:R e/1/a:S e/1/b:R e/1/b:S e/1:S e:S z:R z:S [SUCCESS]"),
    "a condition that fails is a failure to handle": (
        "tasks:\n  a: {if: 1 / 0 == 1, noop: }\n  b: {needs: {a: failure}, noop: }\n",
        "a:F b:R b:S [SUCCESS]"),
    # --- undoing --------------------------------------------------------------------------------
    "an item that can't be undone": (
        "steps:\n  - {name: z, noop: , revert: {noop: }}\n  - name: e\n    foreach: {in: [1, 2], concurrency: 1}\n"
        "    noop:\n    revert: {set: 1, expect: item == 2}\n  - {name: f, fail: Woot}\n",
        "z:R z:S e:R e/0:R e/0:S e/1:R e/1:S e:S f:R f:F f:nr [REVERTING] e:Rv e/1:Rv e/1:Rd e/0:Rv e/0:RF e:RF "
        "z:nu [FAILURE]"),
    # a branch beside the one that is stuck is undone all the same
    "stuck in one of two branches": (
        "tasks:\n  a: " + OK + "\n  b: {needs: a, noop: , revert: {fail: Gotcha}}\n  c: " + OK +
        "\n  z: {needs: [b, c], fail: Woot}\n",
        "{a:R a:S b:R b:S c:R c:S} z:R z:F z:nr [REVERTING] {b:Rv b:RF c:Rv c:Rd} a:nu [FAILURE]"),
    # a flow that is stuck is not retried, nor is anything around it
    "stuck inside": (
        "retry: {attempts: 3, delay: 0s}\nsteps:\n  - {name: a, noop: , revert: {noop: }}\n"
        "  - {name: b, noop: , revert: {noop: }}\n"
        "  - name: n\n    retry: {attempts: 3, delay: 0s}\n    steps: [{name: x, fail: Woot, revert: {fail: Gotcha}}]\n",
        "a:R a:S b:R b:S n:R n/x:R n/x:F n:Rv n/x:Rv n/x:RF n:F {b:nu a:nu} [FAILURE]"),
    "a revert is tried again": (
        "steps:\n  - {name: a, noop: , revert: {fail: Gotcha, retry: {attempts: 2, delay: 0s}}}\n"
        "  - {name: b, fail: Woot}\n",
        "a:R a:S b:R b:F b:nr [REVERTING] a:Rv a:Rv a:RF [FAILURE]"),
    # --- outputs and limits --------------------------------------------------------------------------
    "an output that fails is the flow's failure": (
        "steps:\n  - {name: n, output: '${ tasks.a.result.x }', retry: {attempts: 2, delay: 0s}, "
        "steps: [{name: a, set: {}, revert: {noop: }}]}\n",
        "n:R n/a:R n/a:S n:Rv n/a:Rv n/a:Rd n:F [REVERTED]"),
    "expect of a flow": (
        "steps:\n  - {name: n, output: '${ tasks.a.result }', expect: result == 2, retry: {attempts: 2, delay: 0s}, "
        "steps: [{name: a, set: '${ retry.attempt }', revert: {noop: }}]}\n",
        "n:R n/a:R n/a:S n:Rv n/a:Rv n/a:Rd n:Rt n/a:P n:R n/a:R n/a:S n:S [SUCCESS]"),
    "the timeout of a flow is of one attempt": (
        "steps:\n  - name: n\n    timeout: 200ms\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
        "      - {name: a, run: [sleep, '${ retry.attempt == 1 ? 30 : 0 }']}\n",
        "n:R n/a:R n/a:F n/a:nr n:Rt n/a:P n:R n/a:R n/a:S n:S [SUCCESS]"),
    "the deadline of a flow is over all of them": (
        "steps:\n  - name: n\n    deadline: 200ms\n    retry: {attempts: 2, delay: 0s}\n    steps:\n"
        "      - {name: a, run: [sleep, '30'], revert: {noop: }}\n"
        "finally: {noop: , if: failure.class == 'deadline'}\n",
        "n:R n/a:R n/a:F n:Rv n/a:Rv n/a:Rd n:F finally:R finally:S [REVERTED]"),
    "finally has a retry of its own": (
        "steps: [{name: a, fail: Woot}]\nfinally:\n  retry: {attempts: 2, delay: 0s}\n  steps:\n"
        "    - {name: x, noop: , revert: {noop: }}\n    - {name: y, if: retry.attempt == 1, fail: not yet}\n",
        "a:R a:F a:nr finally:R finally/x:R finally/x:S finally/y:R finally/y:F finally/y:nr finally:Rv "
        "finally/x:Rv finally/x:Rd finally:Rt finally/x:P finally/y:P finally:R finally/x:R finally/x:S "
        "finally/y:I finally:S [FAILURE]"),
}


@pytest.mark.parametrize("name", CASES)
def test_moves(tmp_path, name):
    require(tmp_path, *CASES[name])
