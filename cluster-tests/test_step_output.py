# SPDX-License-Identifier: Apache-2.0
"""What a step may throw at the engine: the table of bad step output in docs/, a test for each row.
Results are read from Postgres as text, so that nothing on the way can hide a change."""
import hashlib
import time

import pytest

from cluster import flow_of

MEBI = 1024 * 1024
PAYLOAD_MAX = 16 * MEBI


def run(cluster, state, **tasks):
    job = cluster.post(flow_of(tasks=tasks))
    cluster.await_state(job, state, within_s=30)
    cluster.judge(job)
    return job


def result(cluster, job, task="one"):
    return cluster.query("SELECT result::text FROM tasks WHERE job = %s AND path = %s",
                         job, task)[0][0]


def text_result(cluster, job, task="one"):
    return cluster.query("SELECT result #>> '{}' FROM tasks WHERE job = %s AND path = %s",
                         job, task)[0][0]


def failure(cluster, **task):
    job = run(cluster, "FAILURE", one=task)
    return cluster.failure(job, "one")


def test_ten_megabytes(cluster):
    job = run(cluster, "SUCCESS", one={"sh": f"head -c {10 * MEBI} /dev/zero | tr '\\0' x"},
              two={"needs": "one", "set": "${ tasks.one.result }"})
    wanted = hashlib.sha256(b"x" * 10 * MEBI).hexdigest()
    for task in ("one", "two"):
        assert hashlib.sha256(text_result(cluster, job, task).encode()).hexdigest() == wanted


def test_more_than_the_limit(cluster):
    found = failure(cluster, sh=f"head -c {PAYLOAD_MAX + 1} /dev/zero | tr '\\0' x")
    assert found["class"] == "limit" and str(PAYLOAD_MAX) in found["message"]


def test_more_than_the_limit_unheard(cluster):
    job = run(cluster, "SUCCESS", one={"sh": f"head -c {PAYLOAD_MAX + 1} /dev/zero", "result": "none"})
    assert result(cluster, job) in (None, "null")


def test_endless_output(cluster):
    """It is stopped at the limit, not when it ends."""
    found = failure(cluster, run=["yes"])
    assert found["class"] == "limit"


def test_bad_utf8(cluster):
    job = run(cluster, "SUCCESS", one={"sh": r"printf 'a\377\300b\355\240\200c'"})
    text = text_result(cluster, job)
    assert text.strip("�") and set(text) == set("abc�") and \
        text.replace("�", "") == "abc"
    assert "U+FFFD" in cluster.has_line(job, "one", "SUCCESS")["detail"]


def test_nul(cluster):
    job = run(cluster, "SUCCESS", one={"sh": r"printf 'a\0b'"})
    assert text_result(cluster, job) == "a�b"
    assert "U+FFFD" in cluster.has_line(job, "one", "SUCCESS")["detail"]


def test_stderr_with_everything(cluster):
    job = run(cluster, "FAILURE", one={"sh": r"printf 'a\0\377b' >&2; exit 1"})
    assert cluster.failure(job, "one")["stderr"] == "a��b"


def test_stderr_keeps_its_end(cluster):
    job = run(cluster, "FAILURE", one={
        "sh": f"head -c {MEBI} /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 1"})
    stderr = cluster.failure(job, "one")["stderr"]
    assert stderr.endswith("the end\n") and len(stderr) <= 64 * 1024


# Each must come back to the letter: as a result, as a copy, on another step's stdin, as the output.
LETTERS = ['{"a":18446744073709551616}', '{"a": 1.10}', '{"a":1e400, "b":-0.0}', '[1.0,1.00, 1E2]',
           '{"big":123456789012345678901234567890.123456789}', '{"b":1,"a":2}', r'{"u":"\u0000\ud83d\ude00"}',
           '{"same":"\\u0041A\\/"}']


@pytest.mark.parametrize("letters", LETTERS)
def test_json_to_the_letter(cluster, letters):
    job = cluster.post(flow_of(
        tasks={"one": {"run": ["printf", "%s", letters.replace("${", "$${")], "result": "json"},
               "two": {"needs": "one", "set": "${ tasks.one.result }"},
               "three": {"needs": "one", "run": ["cat"], "with": "${ tasks.one.result }",
                         "result": "json"}},
        output="${ tasks.three.result }"))
    cluster.await_state(job, "SUCCESS", within_s=20)
    for task in ("one", "two", "three"):
        assert result(cluster, job, task) == letters
    assert cluster.query("SELECT output::text FROM payloads WHERE job = %s", job) == [(letters,)]


def test_json_that_is_none(cluster):
    found = failure(cluster, sh="echo '{\"a\": '", result="json")
    assert found["class"] == "expect" and "JSON" in found["message"]


def test_json_with_half_a_character(cluster):
    """A surrogate without its other half is no character: refused, like any other broken JSON."""
    found = failure(cluster, run=["printf", "%s", r'{"u":"\ud83d"}'], result="json")
    assert found["class"] == "expect" and "JSON" in found["message"]


def test_numbers_stay_text_when_nobody_asks(cluster):
    job = run(cluster, "SUCCESS", one={"sh": "echo 1.10"})
    assert result(cluster, job) == '"1.10"'


def test_grandchild_keeps_stdout_open(cluster):
    """The step is over when its main process is."""
    step = cluster.evidence.step
    begun = time.monotonic()
    job = run(cluster, "SUCCESS", one=step("hold", "say", "done"))
    assert time.monotonic() - begun < 10
    assert text_result(cluster, job) == "done"


def test_sigterm_ignored(cluster):
    """Killed when the grace is over."""
    job = cluster.post(flow_of(tasks={
        "one": cluster.evidence.step("unterm", "leave", "setsid", "sleep", 60000, timeout="200ms")}))
    cluster.await_state(job, "FAILURE", within_s=20)
    cluster.judge(job)
    found = cluster.failure(job, "one")
    assert found["class"] == "timeout" and found["outcome"] == "unknown"


def test_timeout(cluster):
    """SIGTERM is enough for most."""
    begun = time.monotonic()
    found = failure(cluster, run=["sleep", "60"], timeout="200ms")
    assert found["class"] == "timeout"
    assert time.monotonic() - begun < 5


def test_timeout_of_once(cluster):
    """Nobody knows how far it came: a step marked `once` is not tried again."""
    job = run(cluster, "FAILURE", one=cluster.evidence.step(
        "sleep", 60000, timeout="200ms", once=True, retry={"attempts": 3}))
    assert cluster.failure(job, "one")["outcome"] == "unknown"
    assert len(cluster.evidence.runs(job)) == 1


def test_killed_by_a_signal(cluster):
    found = failure(cluster, sh="kill -SEGV $$")
    assert (found["class"], found["signal"]) in (("signal", 11), ("signal", "SEGV"),
                                                 ("signal", "SIGSEGV"))


def test_program_not_found(cluster):
    found = failure(cluster, run=["no-such-program-anywhere"])
    assert found["class"] == "exit" and "no-such-program-anywhere" in found["message"]


def test_program_may_not_run(cluster):
    found = failure(cluster, run=["/etc/passwd"])
    assert found["class"] == "exit" and "/etc/passwd" in found["message"]


def test_cwd_missing(cluster):
    found = failure(cluster, run=["pwd"], cwd="/no/such/place")
    assert found["class"] == "exit" and "/no/such/place" in found["message"]


def test_stdin_is_not_read(cluster):
    """A step that ends without reading a large stdin is no trouble."""
    job = run(cluster, "SUCCESS", one={"sh": f"head -c {MEBI} /dev/zero | tr '\\0' x"},
              two={"needs": "one", "run": ["true"], "with": "${ tasks.one.result }"})
    assert job


def test_the_environment_is_clean(cluster):
    """Nothing of the engine's: no credentials, no address."""
    job = run(cluster, "SUCCESS", one={"sh": "env", "env": {"MINE": "yes"}})
    names = {line.split("=")[0] for line in text_result(cluster, job).splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        "PATH", "HOME", "LANG", "MINE", "JOB_ID", "JOB_TASK", "JOB_ATTEMPT", "JOB_KEY", "JOB_EPOCH",
        "JOB_TOKEN"}
