# SPDX-License-Identifier: Apache-2.0
"""The tool's doors: what comes in wrong is refused with a reason, what goes out keeps its form.

Most tests share a cluster without engines, so that jobs stay as they were posted.
"""
import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import time
import uuid

import pytest

from cluster import flow_of, unique, until
from conftest import make_cluster
from dev_tool import JOBBOARD, clean_environment

NOOP = flow_of("noop", steps=[{"noop": None}])
TYPED = flow_of("typed", input={"s": "string", "n": {"type": "integer", "default": 1},
                                "o": {"type": "object", "default": {}}}, steps=[{"noop": None}])
SHOW_KEYS = ["id", "flow", "key", "state", "epoch", "owner", "priority", "input", "output",
             "failure", "posted_at", "started_at", "ended_at", "wake_at", "unclean", "deaths",
             "tasks"]
HISTORY_KEYS = ["seq", "at", "task", "attempt", "state", "engine", "epoch", "detail"]
TASK_KEYS = ["state", "attempt", "result", "failure", "engine", "epoch", "started_at", "ended_at"]
ENGINE_KEYS = ["name", "boot", "host", "pid", "supervisor_pid", "state", "slots", "running"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture(scope="module")
def idle(witness):
    yield from make_cluster(witness, engines=0)


@pytest.fixture
def flow(tmp_path):
    """flow(text) -> a file."""
    def write(text=NOOP):
        file = tmp_path / f"{unique('f')}.yaml"
        file.write_text(text)
        return file
    return write


def tool(*words, env=None, **options):
    """The tool without a cluster, unless `env` names one."""
    return subprocess.run([JOBBOARD, *map(str, words)], capture_output=True, text=True, timeout=60,
                          env=env or clean_environment(), **options)


def refused(done, code, *texts):
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    for text in texts:
        assert text in done.stderr
    assert "\n" in done.stderr and "Sanitizer" not in done.stderr


@contextlib.contextmanager
def started(cluster, *words, **options):
    """The tool in the background; gone in any case."""
    with subprocess.Popen([JOBBOARD, *map(str, words)], env=cluster.env, text=True,
                          stdout=subprocess.PIPE, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def await_watching(cluster):
    """Until a client asked for the state of its jobs."""
    until(lambda: cluster.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'jobboard'"
                                " AND query LIKE 'SELECT r.id, j.id IS NOT NULL%%'"
                                " AND state = 'idle'"), "a look at the jobs", 20)


def jobs_stored(cluster):
    return cluster.query("SELECT count(*) FROM jobs")[0][0]


# ---------------------------------------------------------------------------- wrong usage

@pytest.mark.parametrize("words, text", [
    (["pots"], "did you mean 'post'"),
    (["--json", "list"], "options stand behind the verb"),
    (["post"], "FILE"),
    (["post", "--bogus", "x.yaml"], "--bogus"),
    (["post", "--count", "0", "x.yaml"], "--count"),
    (["post", "--count", "1e3", "x.yaml"], "--count"),
    (["post", "--priority", "10", "x.yaml"], "--priority"),
    (["post", "--priority", "high", "x.yaml"], "--priority"),
    (["post", "--timeout", "5s", "x.yaml"], "--wait"),
    (["post", "-", "--input", "-"], "only one"),
    (["post", "--key", "k", "a.yaml", "b.yaml"], "--key"),
    (["post", "--key", "k", "--count", "2", "a.yaml"], "--key"),
    (["post", "--key", "", "a.yaml"], "--key"),
    (["post", "--key", "k" * 256, "a.yaml"], "--key"),
    (["wait"], "JOB"),
    (["wait", "abcdef", "--timeout", "5"], "--timeout"),
    (["wait", "abcdef", "--timeout", "-1s"], "--timeout"),
    (["show"], "JOB"),
    (["show", "abcdef", "abcdef"], "unexpected argument"),
    (["list", "extra"], "unexpected argument"),
    (["list", "--state", "DONE"], "--state 'DONE'"),
    (["list", "--since", "yesterday"], "--since"),
    (["history"], "JOB"),
    (["logs"], "JOB"),
    (["watch"], "JOB"),
    (["why"], "JOB"),
    (["engines", "x"], "unexpected argument"),
    (["status", "x"], "unexpected argument"),
    (["migrate", "x"], "unexpected argument"),
    (["migrate", "--schema", "no such; name"], "schema"),
    (["flow"], "check"),
    (["flow", "chek"], "chek"),
    (["flow", "check"], "FILE"),
    (["expr"], "EXPRESSION"),
    (["expr", "1", "--with", "[1]"], "--with: expected a JSON object"),
    (["expr", "1", "--with", "{"], "--with"),
    (["list", "--postgres", "port=x y"], ""),
    (["list", "--config", "/nonexistent.yaml"], "/nonexistent.yaml"),
    (["list", "--connect-timeout", "0s"], "--connect-timeout"),
])
def test_wrong_usage(words, text):
    refused(tool(*words), 2, text)


@pytest.mark.parametrize("verb", ["post", "wait", "list", "show", "history", "watch", "logs",
                                  "status", "engines", "why", "migrate", "flow", "expr"])
def test_help_has_examples(verb):
    done = tool(verb, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert "Examples" in done.stdout and f"jobboard {verb}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


# ---------------------------------------------------------------------------- flow check and expr

def test_flow_check(flow):
    good, bad = flow(), flow("flow: x\nstep: []\n")
    done = tool("flow", "check", good)
    assert (done.returncode, done.stderr) == (0, "") and str(good) in done.stdout
    done = tool("flow", "check", good, bad)
    assert done.returncode == 1
    assert f"{bad}:2:1: error:" in done.stderr and "step: []" in done.stderr
    done = tool("flow", "check", "--json", good, bad)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [row["ok"] for row in rows] == [True, False]
    assert (rows[0]["flow"], rows[0]["tasks"], rows[0]["problems"]) == ("noop", 1, [])
    assert rows[1]["problems"][0]["line"] == 2 and rows[1]["errors"] >= 1
    assert tool("flow", "check", "-", input=NOOP).returncode == 0


@pytest.mark.parametrize("file, text", [("/nonexistent/x.yaml", "No such file"),
                                        ("/", "directory"), ("", "No such file")])
def test_flow_files_that_cannot_be_read(file, text):
    refused(tool("flow", "check", file), 2, text)


@pytest.mark.parametrize("words, answer", [
    (["1 + 2"], "3"),
    (["${ 1 + 2 }"], "3"),
    (["a.b", "--with", '{"a": {"b": 1.10}}'], "1.10"),
    (["a.b * 2.0", "--with", '{"a": {"b": 3}}'], "6.0"),
    (["a", "--with", '{"a": 18446744073709551616}'], "18446744073709551616"),
    (["[1, 'x', null]"], '[1,"x",null]'),
])
def test_expr(words, answer):
    done = tool("expr", *words)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, answer, "")


@pytest.mark.parametrize("words", [["1 +"], ["nobody"], ["1 / 0"], ["a.x", "--with", '{"a": {}}'],
                                   [""], ["b'x'"], ["9223372036854775807 + 1"]])
def test_expr_that_fails(words):
    refused(tool("expr", *words), 1, "jobboard expr: ", "^")


# ---------------------------------------------------------------------------- posting

@pytest.mark.parametrize("words, text", [
    ([], "input `s` is missing"),
    (["-i", "s=x", "-i", "n=1.5"], "input `n`"),
    (["-i", "s=x", "-i", "n=abc"], "input `n`"),
    (["-i", "s=x", "-i", "o=[]"], "input `o`"),
    (["-i", "s=x", "-i", "o={"], "input `o`"),
    (["-i", "s"], "NAME=VALUE"),
    (["-i", "=s"], "NAME=VALUE"),
    (["-i", "s=1", "-i", "s=2"], "twice"),
    (["-i", "s=x", "-i", "unknown=1"], "input `unknown` is not declared"),
    (["--input", "/nonexistent.json"], "/nonexistent.json"),
])
def test_bad_input_posts_nothing(idle, flow, words, text):
    before = jobs_stored(idle)
    refused(idle.run("post", flow(TYPED), *words, code=None), 2, text)
    assert jobs_stored(idle) == before


@pytest.mark.parametrize("document", ["", "[]", "{", '{"s": 1}', '{"s": "a", "s": "b"}',
                                      '{"s": "a"} x', '{"s": "\\ud800"}', '{"s": "a", "zz": 1}',
                                      '{"s":' + "[" * 2000 + "]" * 2000 + "}"])
def test_bad_input_document(idle, flow, document):
    refused(idle.run("post", flow(TYPED), "--input", "-", input=document, code=None), 2)


def test_input_is_kept_to_the_letter(idle, flow):
    document = '{"s": "x", "n": 18446744073709551616, "o": {"b": 1.10, "a": "\\u0000"}}'
    job = idle.run("post", flow(TYPED), "--input", "-", input=document).stdout.strip()
    shown = idle.run("show", job, "--json").stdout
    assert '{"b": 1.10, "a": "\\u0000"}' in shown and "18446744073709551616" in shown
    job = idle.run("post", flow(TYPED), "--input", "-", "-i", "s=y", input=document).stdout.strip()
    assert json.loads(idle.run("show", job, "--json").stdout)["input"]["s"] == "y"


def test_oversize(idle, flow, tmp_path):
    before = jobs_stored(idle)
    big = tmp_path / "big.json"
    big.write_text(json.dumps({"s": "x" * (17 << 20)}))
    refused(idle.run("post", flow(TYPED), "--input", big, code=None), 2, "larger than")
    refused(idle.run("post", flow("#" * (5 << 20)), code=None), 2, "larger than")
    big.write_text(json.dumps({"s": "x" * ((16 << 20) - 12)}))
    refused(idle.run("post", flow(TYPED), "--input", big, code=None), 2, "16")
    assert jobs_stored(idle) == before
    # much, but not too much
    big.write_text(json.dumps({"s": "x" * (3 << 20)}))
    idle.run("post", flow(TYPED), "--input", big)


def test_bad_files(idle, flow, tmp_path):
    before = jobs_stored(idle)
    refused(idle.run("post", "/nonexistent.yaml", code=None), 2, "/nonexistent.yaml")
    refused(idle.run("post", tmp_path, code=None), 2, str(tmp_path))
    refused(idle.run("post", flow("flow: x\nstep: []\n"), code=None), 2, "2:1: error:")
    # one bad file: the good one before it is not posted either
    refused(idle.run("post", flow(), flow("\0"), code=None), 2)
    assert jobs_stored(idle) == before


def test_a_post_of_several_files(idle, flow):
    names = [unique("f").replace("_", "-") for _ in range(5)]
    files = [flow(flow_of(name, steps=[{"noop": None}])) for name in names]
    ids = idle.run("post", *files).stdout.split()
    assert [idle.show(job)["flow"] for job in ids] == names
    rows = [json.loads(line) for line in
            idle.run("post", *files, "--json").stdout.splitlines()]
    assert [row["flow"] for row in rows] == names
    assert {row["outcome"] for row in rows} == {"recorded"}


def test_a_target_is_checked(idle, flow):
    tasks = {"alpha": {"noop": None}, "b": {"foreach": [1], "steps": [{"noop": None}]}}
    file = flow(flow_of("two", tasks=tasks))
    before = jobs_stored(idle)
    refused(idle.run("post", file, "--target", "alhpa", code=None), 5, "did you mean 'alpha'")
    refused(idle.run("post", file, "--target", "b/0", code=None), 2, "an item can't be wanted")
    assert jobs_stored(idle) == before
    key = unique("key")
    job = idle.run("post", file, "--target", "alpha", "--key", key).stdout
    assert idle.run("post", file, "--target", "alpha", "--key", key).stdout == job
    refused(idle.run("post", file, "--key", key, code=None), 6, "target")


def test_keys(idle, flow):
    key, file = unique("key"), flow(TYPED)
    first = idle.run("post", file, "--key", key, "-i", "s=a").stdout.strip()
    again = idle.run("post", file, "--key", key, "-i", "s=a")
    assert again.stdout.strip() == first and "before" in again.stderr
    before = jobs_stored(idle)
    refused(idle.run("post", file, "--key", key, "-i", "s=b", code=None), 6, first)
    refused(idle.run("post", file, "--key", key, "-i", "s=a", "--priority", 1, code=None), 6)
    refused(idle.run("post", flow(), "--key", key, code=None), 6, first)
    assert jobs_stored(idle) == before
    assert idle.run("show", f"key:{key}", "--json").stdout == \
        idle.run("show", first, "--json").stdout
    refused(idle.run("post", file, "--key", b"\xff\xfe".decode(errors="surrogateescape"),
                     "-i", "s=a", code=None), 2)


def test_post_survives_a_database_that_goes_away(idle, flow):
    """Whatever answers get lost on the way: each id that was printed is one job, and there are no
    others."""
    name = unique("lost").replace("_", "-")
    file = flow(flow_of(name, steps=[{"noop": None}]))
    with started(idle, "post", file, "--count", 30000, stderr=subprocess.PIPE) as post:
        ids = [post.stdout.readline().strip()]
        idle.dev("postgres", "restart", "--immediate")
        ids += post.stdout.read().split()
        talk = post.stderr.read()
        post.wait(30)
    idle.sql = idle.connect()
    assert post.returncode == 0, talk
    assert len(ids) == len(set(ids)) == 30000
    stored = {row[0] for row in idle.query("SELECT j.id::text FROM jobs j JOIN flows f"
                                           " ON f.hash = j.flow WHERE f.name = %s", name)}
    assert stored == set(ids)


# ---------------------------------------------------------------------------- ids

def clone(cluster, job, new_id):
    """The same job under another id."""
    for table, column in (("jobs", "id"), ("payloads", "job"), ("history", "job")):
        columns = [row[0] for row in cluster.query(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND attname <> %s AND NOT attisdropped", table, column)]
        names = ", ".join(columns)
        cluster.query(f"INSERT INTO {table} ({column}, {names})"
                      f" SELECT %s, {names} FROM {table} WHERE {column} = %s", new_id, job)


def test_ids(idle, flow):
    job = idle.run("post", flow()).stdout.strip()
    digits = job.replace("-", "")
    for word in (job, job.upper(), digits[-6:], digits[-8:], digits[-13:]):
        assert json.loads(idle.run("show", word, "--json").stdout)["id"] == job, word
    twin = str(uuid.UUID(bytes=os.urandom(12) + uuid.UUID(job).bytes[12:]))
    clone(idle, job, twin)
    for verb in ("show", "history", "wait", "watch", "logs", "why"):
        refused(idle.run(verb, digits[-8:], code=None), 2, "ambiguous", job, twin)
    nobody = "00000000-0000-7000-8000-00000000abcd"
    for verb in ("show", "history", "wait", "watch", "logs", "why"):
        refused(idle.run(verb, nobody, code=None), 5, nobody)
        refused(idle.run(verb, "key:nobody-has-it", code=None), 5, "key:nobody-has-it")
    for word in ("12345", "xyzxyz", "", "key:", job + "0", "--", "a'; DROP TABLE jobs; --"):
        done = idle.run("show", "--", word, code=None)
        assert done.returncode in (2, 5) and done.stdout == "", word


# ---------------------------------------------------------------------------- looking

def test_show_and_history_forms(idle, flow):
    job = idle.run("post", flow(TYPED), "-i", "s=x").stdout.strip()
    shown = json.loads(idle.run("show", job, "--json").stdout)
    assert list(shown) == SHOW_KEYS
    assert (shown["state"], shown["epoch"], shown["owner"], shown["tasks"]) == ("READY", 0, None, {})
    assert shown["input"] == {"s": "x", "n": 1, "o": {}}
    assert TIME.fullmatch(shown["posted_at"]) and shown["started_at"] is None
    lines = [json.loads(line) for line in idle.run("history", job, "--json").stdout.splitlines()]
    assert [list(line) for line in lines] == [HISTORY_KEYS]
    assert (lines[0]["seq"], lines[0]["task"], lines[0]["state"]) == (1, None, "READY")
    human = idle.run("show", job).stdout
    assert job in human and "READY" in human and "\033" not in human
    assert "READY" in idle.run("history", job).stdout


def test_list(idle, flow):
    name = unique("list").replace("_", "-")
    file = flow(flow_of(name, steps=[{"noop": None}]))
    ids = idle.run("post", file, "--count", 60).stdout.split()
    done = idle.run("list", "--flow", name, "-q")
    assert done.stdout.split() == list(reversed(ids))[:50] and "50 of 60" in done.stderr
    done = idle.run("list", "--flow", name, "-q", "--all")
    assert sorted(done.stdout.split()) == sorted(ids) and done.stderr == ""
    done = idle.run("list", "--flow", name)
    assert len(done.stdout.splitlines()) == 51 and ids[-1][-8:] in done.stdout
    rows = [json.loads(line) for line in
            idle.run("list", "--flow", name, "--json").stdout.splitlines()]
    assert len(rows) == 50 and rows[0]["id"] == ids[-1]
    assert {"id", "flow", "key", "state", "epoch", "owner", "priority", "posted_at"} <= set(rows[0])
    assert idle.run("list", "--flow", name, "--state", "ready,success", "-q").stdout.split()
    assert idle.run("list", "--flow", name, "--since", "1h", "-q").stdout.split()
    for words in (["--state", "RUNNING"], ["--engine", "nobody"], ["--since", "1ms"]):
        assert idle.run("list", "--flow", name, "-q", *words).stdout == ""


def test_garbage_in_rows(idle, flow):
    """Rows that no program of ours wrote: no verb falls over them, nor do they reach a terminal as
    they are."""
    job = idle.run("post", flow()).stdout.strip()
    idle.query("UPDATE jobs SET owner = gen_random_uuid(), format = 99, epoch = -1, deaths = -7,"
               " wake_at = 'infinity', tags = '{a,\"b\n\",NULL}' WHERE id = %s", job)
    idle.query("INSERT INTO history (at, epoch, seq, attempt, job, state, task, engine, detail)"
               " VALUES ('-infinity', -5, 99, -1, %s, E'\x1b[2J', E'\x1b]0;x\x07', E'\r', E'\x9b')",
               job)
    idle.query("INSERT INTO tasks (epoch, state, attempt, job, path, engine, result) VALUES"
               " (0, 'RUNNING', 7, %s, E'\x1b[31m', E'\x1b', '\"x\"')", job)
    for words in (["show", job], ["history", job], ["list"], ["status"], ["why", job],
                  ["logs", job], ["show", job, "--json"], ["history", job, "--json"],
                  ["list", "--json"], ["watch", job, "--json"]):
        try:
            done = tool(*words, env=idle.env) if words[0] != "watch" else None
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{words} hangs")
        if done:
            assert done.returncode in (0, 2) and "\033" not in done.stdout, (words, done)
            assert "Sanitizer" not in done.stderr
    idle.query("DELETE FROM flows WHERE hash = (SELECT flow FROM jobs WHERE id = %s)", job)
    for words in (["show", job], ["list", "--json"], ["why", job]):
        assert tool(*words, env=idle.env).returncode in (0, 2, 5), words
    for table, column in (("tasks", "job"), ("history", "job"), ("payloads", "job"), ("jobs", "id")):
        idle.query(f"DELETE FROM {table} WHERE {column} = %s", job)


def test_why_without_engines(idle, flow):
    job = idle.run("post", flow()).stdout.strip()
    assert "no engine" in idle.run("why", job).stdout
    said = json.loads(idle.run("why", job, "--json").stdout)
    assert list(said) == ["id", "state", "reason", "why", "remedy"]
    assert said["reason"] == "no_engine"


# ---------------------------------------------------------------------------- services away

@pytest.fixture
def mute():
    """Accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield server.getsockname()[1]


CLUSTER_VERBS = [["post"], ["list"], ["show", "abcdef"], ["history", "abcdef"], ["wait", "abcdef"],
                 ["watch", "abcdef"], ["logs", "abcdef"], ["why", "abcdef"], ["status"],
                 ["engines"], ["migrate"]]


@pytest.mark.parametrize("verb", CLUSTER_VERBS, ids=lambda verb: verb[0])
def test_postgres_away(flow, mute, verb):
    words = [*verb, *([flow()] if verb == ["post"] else [])]
    for port, patience in ((1, 3), (mute, 4)):
        env = {**clean_environment(), "JOBBOARD_POSTGRES": f"host=127.0.0.1 port={port} user=x"}
        began = time.monotonic()
        done = tool(*words, "--connect-timeout", "1s", env=env)
        assert done.returncode == 3, (port, done)
        assert time.monotonic() - began < patience
        if verb != ["status"]:
            assert done.stdout == "" and done.stderr


def test_zookeeper_away(idle, flow, mute):
    job = idle.run("post", flow()).stdout.strip()
    for port in (1, mute):
        env = {**idle.env, "JOBBOARD_ZOOKEEPER": f"127.0.0.1:{port}"}
        for words, within_s in ((["post", flow()], 4), (["list"], 3), (["show", job], 3),
                                (["history", job], 3), (["status"], 5), (["why", job], 5)):
            began = time.monotonic()
            done = tool(*words, env=env)
            assert done.returncode == 0 and done.stdout, (words, done)
            assert time.monotonic() - began < within_s, words
        assert "recorded; it moves when ZooKeeper is back" in tool("post", flow(), env=env).stderr
        assert not json.loads(tool("status", "--json", env=env).stdout)["zookeeper"]["up"]
        assert json.loads(tool("why", job, "--json", env=env).stdout)["reason"] == "zookeeper_away"
        done = tool("engines", "--connect-timeout", "1s", env=env)
        assert done.returncode == 3 and done.stdout == ""
    env = {**idle.env, "JOBBOARD_ZOOKEEPER": "no-such-host.invalid:2181"}
    done = tool("post", flow(), env=env)
    assert done.returncode == 0 and "recorded" in done.stderr
    env = {key: value for key, value in idle.env.items() if key != "JOBBOARD_ZOOKEEPER"}
    done = tool("post", flow(), env=env)
    assert done.returncode == 0 and "recorded" in done.stderr


# ---------------------------------------------------------------------------- schema

def test_schemas(idle, flow):
    schema = unique("s")
    for words in (["post", flow()], ["list"], ["show", "abcdef"], ["wait", "abcdef"]):
        refused(idle.run(*words, "--schema", schema, code=None), 6, "migrate")
    assert json.loads(idle.run("migrate", "--schema", schema, "--json").stdout)["from"] == 0
    done = json.loads(idle.run("migrate", "--schema", schema, "--json").stdout)
    assert done["from"] == done["to"] >= 1
    job = idle.run("post", flow(), "--schema", schema).stdout.strip()
    assert idle.run("list", "-q", "--schema", schema).stdout.split() == [job]
    refused(idle.run("show", job, code=None), 5)
    idle.query(f"UPDATE {schema}.schema_migrations SET version = 9999"
               f" WHERE version = (SELECT max(version) FROM {schema}.schema_migrations)")
    for words in (["post", flow()], ["list"], ["show", job], ["status"], ["migrate"]):
        done = idle.run(*words, "--schema", schema, code=None)
        assert done.returncode == 6 and "9999" in done.stdout + done.stderr, done


def test_two_migrations_at_once(idle):
    schema = unique("s")
    both = [subprocess.Popen([JOBBOARD, "migrate", "--schema", schema, "--json"], env=idle.env,
                             stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [json.loads(one.communicate(timeout=60)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted(answer["from"] == 0 for answer in answers) == [False, True]


# ---------------------------------------------------------------------------- waiting

def test_wait_times_out(idle, flow):
    ids = idle.run("post", flow(), "--count", 3).stdout.split()
    began = time.monotonic()
    done = idle.run("wait", *ids, "--timeout", "300ms", code=None)
    assert done.returncode == 4 and done.stdout == "" and "3 of 3" in done.stderr
    assert time.monotonic() - began < 3
    done = idle.run("post", flow(), "--wait", "--timeout", "200ms", code=None)
    assert done.returncode == 4 and len(done.stdout.split()) == 1


@pytest.mark.parametrize("verb", ["wait", "watch"])
def test_interrupt(idle, flow, verb):
    job = idle.run("post", flow()).stdout.strip()
    with started(idle, verb, job) as process:
        await_watching(idle)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_wait_without_engines_sees_an_end(idle, flow):
    """Nobody notifies: the look of each second finds it."""
    job = idle.run("post", flow()).stdout.strip()
    with started(idle, "wait", job, "--json") as process:
        await_watching(idle)
        idle.query("UPDATE jobs SET state = 'CANCELLED', ended_at = now() WHERE id = %s", job)
        assert json.loads(process.communicate(timeout=5)[0]) == {"id": job, "state": "CANCELLED"}
    assert process.returncode == 1


# ---------------------------------------------------------------------------- with engines

def end_of(cluster, job):
    return cluster.query("SELECT extract(epoch FROM ended_at)::float FROM jobs WHERE id = %s",
                         job)[0][0]


def seconds_until_seen(cluster, file, verb):
    """From the recorded end of a job to the line of a client that waits for it."""
    job = cluster.run("post", file).stdout.strip()
    with started(cluster, verb, job, "--json") as process:
        for line in process.stdout:
            at, said = time.time(), json.loads(line)
            if said["state"] == "SUCCESS" and not said.get("task"):
                return at - end_of(cluster, job)


@pytest.mark.parametrize("verb", ["wait", "watch"])
def test_the_end_is_seen_at_once(cluster, flow, verb):
    """Within 100 ms, which the look of each second alone gives in one of a thousand runs; a busy
    machine gets three tries."""
    file, medians = flow(flow_of(steps=[{"run": ["sleep", "0.7"]}])), []
    while not medians or (min(medians) >= 0.1 and len(medians) < 3):
        late = sorted(seconds_until_seen(cluster, file, verb) for _ in range(9))
        medians.append(late[len(late) // 2])
    assert min(medians) < 0.1, medians


def test_exit_codes_of_wait(cluster, flow):
    good = cluster.run("post", flow()).stdout.strip()
    bad = cluster.run("post", flow(flow_of(steps=[{"fail": "no"}]))).stdout.strip()
    done = cluster.run("wait", good)
    assert done.stdout.split() == [good[-8:], "SUCCESS"]
    assert cluster.run("wait", "-", "--json", input=f"{good}\n{bad}\n", code=1).stdout.count("\n") == 2
    assert "FAILURE" in cluster.run("watch", bad, code=1).stdout.splitlines()[-1]
    done = cluster.run("post", flow(), "--wait")
    assert len(done.stdout.split()) == 1 and "SUCCESS" in done.stderr
    assert cluster.run("post", flow(flow_of(steps=[{"fail": "no"}])), "--wait", code=1)
    said = json.loads(cluster.run("why", bad, "--json").stdout)
    assert said["reason"] == "final" and "no" in said["why"]


def test_forms_of_a_job_that_ran(cluster, flow):
    job = cluster.run("post", flow(flow_of(steps=[
        {"name": "a", "sh": "echo one >&2; echo '{\"x\":  1.10}'"}, {"name": "b", "fail": "no"}]))
    ).stdout.strip()
    cluster.run("wait", job, code=1)
    text = cluster.run("show", job, "--json").stdout
    assert '{"x":  1.10}' in text
    shown = json.loads(text)
    assert {path: list(task) for path, task in shown["tasks"].items()} == \
        {"a": TASK_KEYS, "b": TASK_KEYS}
    assert shown["failure"]["class"] == "exit" or shown["failure"]["message"] == "no"
    engines = [json.loads(line) for line in cluster.run("engines", "--json").stdout.splitlines()]
    assert [list(engine) for engine in engines] == [ENGINE_KEYS] * 3
    assert {engine["name"] for engine in engines} == set(cluster.base)
    assert {engine["name"]: engine["pid"] for engine in engines} == cluster.pids
    assert shown["owner"] in [engine["boot"] for engine in engines]
    logs = cluster.run("logs", job)
    assert logs.stdout == "one\n"
    tail = json.loads(cluster.run("logs", job, "a", "--json").stdout)
    assert (tail["task"], tail["attempt"], tail["stderr"]) == ("a", 1, "one\n")
    refused(cluster.run("logs", job, "nobody", code=None), 5, "nobody")
    status = json.loads(cluster.run("status", "--json").stdout)
    assert status["postgres"]["up"] and status["zookeeper"]["up"] and len(status["engines"]) == 3
    assert status["jobs"]["FAILURE"] >= 1


def test_why_it_runs_or_waits_for_tags(cluster, flow, tmp_path):
    stop = tmp_path / "stop"
    job = cluster.run("post", flow(flow_of(tasks={"t": {
        "sh": 'until [ -e "$STOP" ]; do sleep 0.05; done', "env": {"STOP": str(stop)}}}))).stdout.strip()
    until(lambda: cluster.has_line(job, "t", "RUNNING"), "the task to run")
    said = json.loads(cluster.run("why", job, "--json").stdout)
    assert said["reason"] == "running" and "engine-" in said["why"] and "task t" in said["why"]
    stop.touch()
    cluster.run("wait", job)
    job = cluster.run("post", flow(flow_of(runs_on=["gpu"], steps=[{"noop": None}]))).stdout.strip()
    said = json.loads(cluster.run("why", job, "--json").stdout)
    assert said["reason"] == "no_engine_with_tags" and "gpu" in said["why"] + said["remedy"]


def test_wait_outlives_postgres(cluster, flow):
    job = cluster.run("post", flow(flow_of(steps=[{"run": ["sleep", "3"]}]))).stdout.strip()
    with started(cluster, "wait", job) as process:
        await_watching(cluster)
        cluster.dev("postgres", "restart", "--immediate")
        out = process.communicate(timeout=60)[0]
    assert (process.returncode, out.split()) == (0, [job[-8:], "SUCCESS"])


def test_the_board_of_another_schema(cluster, flow):
    """The ZooKeeper board belongs to another schema's uuid: a post is recorded, no card is made."""
    schema = unique("s")
    cluster.run("migrate", "--schema", schema)
    cards = set(cluster.cards())
    done = cluster.run("post", flow(), "--schema", schema)
    assert "recorded" in done.stderr and "is board" in done.stderr
    assert done.stdout.strip() not in set(cluster.cards()) | cards
    done = cluster.run("engines", "--schema", schema, "--connect-timeout", "1s", code=None)
    assert done.returncode == 3 and "is board" in done.stderr


# ---------------------------------------------------------------------------- terminals

def on_terminal(cluster, words, columns=60, rows=20):
    """What a terminal of that size is sent."""
    front, back = pty.openpty()
    termios.tcsetwinsize(back, (rows, columns))
    with subprocess.Popen([JOBBOARD, *map(str, words)], stdout=back, stderr=subprocess.DEVNULL,
                          env={**cluster.env, "TERM": "xterm", "LANG": "C.UTF-8"}) as process:
        os.close(back)
        shown = b""
        while True:
            try:
                got = os.read(front, 65536)
            except OSError:
                break
            if not got:
                break
            shown += got
    os.close(front)
    return process.returncode, shown.decode()


def test_tables_fit_the_terminal(cluster, flow):
    name = "a-very-long-name-of-a-flow-that-does-not-fit-anywhere-at-all"
    job = cluster.run("post", flow(flow_of(name, steps=[{"set": "x" * 200}])), "--key",
                      unique("k" * 60)).stdout.strip()
    cluster.run("wait", job)
    for words in (["list"], ["engines"]):
        code, shown = on_terminal(cluster, words)
        plain = re.sub("\033\\[[0-9;]*m", "", shown)
        assert code == 0 and max(len(line.rstrip("\r")) for line in plain.split("\n")) <= 60, plain
    code, shown = on_terminal(cluster, ["list"])
    assert "\033[32m" in shown
    assert "\033" not in cluster.run("list").stdout
    assert name in cluster.run("list").stdout


def test_watch_draws_on_a_terminal(cluster, flow):
    job = cluster.run("post", flow(flow_of(tasks={
        "a": {"run": ["sleep", "0.4"]}, "b": {"noop": None, "needs": "a"}}))).stdout.strip()
    code, shown = on_terminal(cluster, ["watch", job])
    assert code == 0 and "\033[" in shown
    last = shown.rsplit("A\r", 1)[-1]
    assert "2/2 tasks ended" in last and "SUCCESS" in last


# ------------------------------------------------------------------------------ running again

def ended(idle, flow, state="FAILURE", tasks=()):
    """A job as an engine would have left it: (name, state) of its tasks."""
    steps = {"a": {"noop": None}, "b": {"needs": "a", "noop": None},
             "each": {"needs": "b", "foreach": [1, 2], "steps": [{"name": "x", "noop": None}]},
             "loop": {"needs": "b", "repeat": {"until": "false", "times": 2}, "noop": None},
             "off": {"needs": "a", "if": False, "noop": None},
             "z": {"needs": ["each", "loop"], "noop": None}}
    file = flow(flow_of(unique("again").replace("_", "-"), tasks=steps, finally_=None)
                .replace(', "finally_": null', ', "finally": {"noop": null}'))
    job = idle.run("post", file).stdout.strip()
    for path, task in tasks:
        idle.query("INSERT INTO tasks (job, path, state, attempt, epoch)"
                   " VALUES (%s, %s, %s, 1, 1)", job, path, task)
    idle.query("UPDATE jobs SET state = %s, ended_at = now() WHERE id = %s", state, job)
    return job


TASKS = [("a", "SUCCESS"), ("b", "SUCCESS"), ("each", "FAILURE"), ("each/0", "SUCCESS"),
         ("each/0/x", "SUCCESS"), ("each/1", "FAILURE"), ("each/1/x", "FAILURE"),
         ("loop", "SUCCESS"), ("loop/0", "SUCCESS"), ("off", "SKIPPED"), ("z", "SKIPPED")]


def inbox_of(idle, job):
    return [row[0] for row in idle.query("SELECT data FROM inbox WHERE job = %s", job)]


def test_what_cannot_run_again(idle, flow):
    job = idle.run("post", flow()).stdout.strip()
    for state, text in [("READY", "wait for its end"), ("RUNNING", "wait for its end"),
                        ("SUCCESS", "nothing to run again"), ("QUARANTINED", "released")]:
        idle.query("UPDATE jobs SET state = %s WHERE id = %s", state, job)
        refused(idle.run("rerun", job, code=None), 6, f"job {job} is {state}", text)
    refused(idle.run("rerun", uuid.uuid4(), code=None), 5, "no job")
    refused(idle.run("rerun", code=None), 2, "which jobs?")
    refused(idle.run("rerun", job, "--timeout", "3s", code=None), 2, "--wait")
    assert inbox_of(idle, job) == []
    idle.query("DELETE FROM jobs WHERE id = %s", job)


@pytest.mark.parametrize("state", ["FAILURE", "REVERTED", "CANCELLED"])
def test_what_can_run_again(idle, flow, state):
    job = ended(idle, flow, state, TASKS)
    done = idle.run("rerun", job[-8:], "--from", "each/0", "--skip", 'z={"n": 1.10}', "--json")
    assert json.loads(done.stdout) == {"id": job, "outcome": "recorded", "card": "no_board"}
    assert "it moves when one does" in done.stderr
    wishes, = inbox_of(idle, job)
    assert (wishes["from"], wishes["skip"]) == ("each/0", {"z": {"n": 1.1}})
    shown, line = idle.show(job), json.loads(
        idle.run("history", job, "--json").stdout.splitlines()[-1])
    assert (shown["state"], shown["ended_at"], line["state"]) == ("READY", None, "READY")
    assert line["detail"] == f"rerun by {wishes['by']} from each/0 skip z"
    refused(idle.run("rerun", job, code=None), 6, "READY")


def test_tasks_of_a_rerun(idle, flow):
    job = ended(idle, flow, "FAILURE", TASKS)
    for words, code, text in [
            (("--from", "eech"), 5, "did you mean 'each'?"), (("--from", ""), 5, "--from"),
            (("--from", "z"), 6, "was skipped"), (("--from", "each/7"), 6, "did not run"),
            (("--from", "each/x"), 5, "number"), (("--from", "loop/0"), 2, "rounds can't"),
            (("--from", "finally"), 2, "every run"), (("--from", "a/b"), 5, "no such parts"),
            (("--skip", "q"), 5, "no task 'q'"), (("--skip", "a=1"), 6, "--from a"),
            (("--skip", "each/0/x"), 6, "is not run again"), (("--skip", "z="), 2, "JSON"),
            (("--skip", "z=text"), 2, "z=\"…\""), (("--skip", "z={\"a\":1,\"a\":2}"), 2, "JSON"),
            (("--skip", "z", "--skip", "z=1"), 2, "twice"), (("--skip", "finally"), 2, "every run"),
            (("--from", "a", "--skip", "a=1"), 0, None), (("--skip", "off"), 0, None)]:
        done = idle.run("rerun", job, "--dry-run", *words, code=None)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        if text:
            refused(done, code, text)
        else:
            assert done.stdout.strip() == job
    # the same words without --dry-run record nothing either
    refused(idle.run("rerun", job, "--from", "aa", code=None), 5)
    assert inbox_of(idle, job) == [] and idle.state(job) == "FAILURE"


def test_a_selection_of_a_rerun(idle, flow):
    job = ended(idle, flow)
    name = idle.show(job)["flow"]
    refused(idle.run("rerun", job, "--flow", name, code=None), 2, "not both")
    refused(idle.run("rerun", "--flow", name, "--state", "success", code=None), 2, "CANCELLED")
    refused(idle.run("rerun", "--flow", name, code=None), 2, "1 job of", "--yes")
    assert idle.state(job) == "FAILURE"
    assert idle.run("rerun", "--flow", name, "--yes").stdout.strip() == job
    assert "0 jobs" in idle.run("rerun", "--flow", name, "--yes").stderr
