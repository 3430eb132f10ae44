# SPDX-License-Identifier: Apache-2.0
"""The verb `http` of a real engine against a server of the test's own: answers, repeats, refusals,
silence, and what an engine's death in the middle of a request leads to."""
import http.server
import json
import socket
import threading

import pytest

from cluster import alive, flow_of, until

ALL_ENGINES = False


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.owner.answer(self, body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *args):
        pass


class Server:
    """`statuses` are the answers in turn, the last one stays; None keeps the request until
    `let_go` is set. Remembers (method, path, key, body) of every request."""

    def __init__(self, *statuses):
        self.statuses, self.requests = list(statuses), []
        self.let_go = threading.Event()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads, self.http.owner = True, self
        self.base = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.let_go.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def answer(self, request, body):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.requests.append((request.command, request.path, request.headers["Idempotency-Key"],
                              body.decode()))
        if status is None:
            self.let_go.wait(60)
            status = 200
        data = b'{"id": 18446744073709551616, "price": 1.10}'
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            pass    # whoever asked is gone

    def keys(self):
        return [key for _, _, key, _ in self.requests]


def post(cluster, server, state, path="/x", method="POST", **keys):
    """A job of one request, ended -> (job, the task's row)."""
    job = cluster.post(flow_of(tasks={"ask": {
        "http": {"method": method, "url": server.base + path, "body": {"n": 1}}, **keys}}))
    if state:
        cluster.await_state(job, state, within_s=30)
        cluster.judge(job)
    return job


def task_states(cluster, job):
    return [line["state"] for line in cluster.history(job)[job] if line["task"] == "ask"]


def test_an_answer(cluster):
    """JSON to the letter; the task's key goes with the request."""
    with Server(200) as server:
        job = post(cluster, server, "SUCCESS")
        [(method, path, key, body)] = server.requests
        assert (method, path, json.loads(body)) == ("POST", "/x", {"n": 1})
    assert key == f"{job}/ask"
    result = cluster.query("SELECT result::text FROM tasks WHERE job = %s", job)[0][0]
    assert '"status":200' in result.replace(": ", ":")
    assert "18446744073709551616" in result and "1.10" in result
    cluster.await_clean_board()


def test_an_error_is_tried_again_under_one_key(cluster):
    with Server(500, 503, 201) as server:
        job = post(cluster, server, "SUCCESS", retry={"attempts": 5, "delay": "20ms"})
        assert server.keys() == [f"{job}/ask"] * 3
    assert task_states(cluster, job) == ["RUNNING", "RETRYING", "RUNNING", "RETRYING", "RUNNING",
                                         "SUCCESS"]


def test_an_error_that_stays(cluster):
    with Server(500) as server:
        job = post(cluster, server, "FAILURE", retry={"attempts": 2, "delay": "20ms"})
        assert len(server.requests) == 2
    failure = cluster.failure(job, "ask")
    assert [failure[key] for key in ("class", "status", "attempt", "outcome")] == \
        ["http", 500, 2, "known"]


def test_an_error_that_retry_excludes(cluster):
    with Server(404) as server:
        post(cluster, server, "FAILURE", retry={
            "attempts": 5, "delay": "20ms", "if": "failure.class != 'http' || failure.status >= 500"})
        assert len(server.requests) == 1


def test_undone_by_a_request_of_its_own(cluster):
    with Server(200) as server:
        job = cluster.post(flow_of(steps=[
            {"name": "ask", "http": {"method": "POST", "url": server.base + "/rooms"},
             "revert": {"http": {"method": "DELETE", "url": server.base + "/rooms/7"}}},
            {"name": "bad", "fail": "Woot"}]))
        cluster.await_state(job, "REVERTED")
        assert [(method, path, key) for method, path, key, _ in server.requests] == [
            ("POST", "/rooms", f"{job}/ask"), ("DELETE", "/rooms/7", f"{job}/ask/revert")]


def test_a_refused_connection(cluster):
    """Nothing was sent: the outcome is known."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        job = cluster.post(flow_of(tasks={"ask": {
            "http": f"http://127.0.0.1:{free.getsockname()[1]}/",
            "retry": {"attempts": 2, "delay": "20ms"}}}))
        cluster.await_state(job, "FAILURE", within_s=30)
    failure = cluster.failure(job, "ask")
    assert [failure[key] for key in ("class", "attempt", "outcome")] == ["lost", 2, "known"]


def test_silence(cluster):
    """The request arrived, nobody knows what became of it."""
    with Server(None) as server:
        job = post(cluster, server, "FAILURE", timeout="300ms")
        assert len(server.requests) == 1
    failure = cluster.failure(job, "ask")
    assert [failure[key] for key in ("class", "outcome")] == ["timeout", "unknown"]


def test_silence_and_then_an_answer(cluster):
    with Server(None, 200) as server:
        job = post(cluster, server, "SUCCESS", timeout="300ms",
                   retry={"attempts": 2, "delay": "20ms"})
        assert server.keys() == [f"{job}/ask"] * 2


def kill_owner(cluster, job, server, requests):
    """Kills the engine whose request has arrived."""
    until(lambda: len(server.requests) == requests, "the request", 20)
    line = [line for line in cluster.history(job)[job] if line["task"] == "ask"][-1]
    cluster.refresh()
    victim = line["engine"]
    cluster.kill(victim)
    until(lambda: not alive(cluster.pids[victim]), "its end", 10)
    return victim


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_engine_dies_while_a_request_is_under_way(cluster, method):
    """Its successor asks again, with the same key and in the same attempt."""
    with Server(None, 200) as server:
        job = post(cluster, server, None, method=method)
        victim = kill_owner(cluster, job, server, 1)
        cluster.await_state(job, "SUCCESS", within_s=30)
        cluster.judge(job)
        assert server.keys() == [f"{job}/ask"] * 2
    lines = [line for line in cluster.history(job)[job] if line["task"] == "ask"]
    assert [(line["state"], line["attempt"], line["detail"]) for line in lines] == [
        ("RUNNING", 1, None), ("RUNNING", 1, "takeover"), ("SUCCESS", 1, None)]
    assert lines[0]["engine"] == victim != lines[1]["engine"]


def test_the_engine_dies_and_once_is_said(cluster):
    with Server(None, 200) as server:
        job = post(cluster, server, None, once=True, retry={"attempts": 3, "delay": "20ms"})
        kill_owner(cluster, job, server, 1)
        cluster.await_state(job, "FAILURE", within_s=30)
        cluster.judge(job)
        assert len(server.requests) == 1
    failure = cluster.failure(job, "ask")
    assert [failure[key] for key in ("class", "outcome")] == ["lost", "unknown"]


def test_the_engine_dies_while_it_undoes(cluster):
    with Server(200, None, 200) as server:
        job = cluster.post(flow_of(steps=[
            {"name": "ask", "http": {"method": "POST", "url": server.base + "/rooms"},
             "revert": {"http": {"method": "DELETE", "url": server.base + "/rooms/7"}}},
            {"name": "bad", "fail": "Woot"}]))
        kill_owner(cluster, job, server, 2)
        cluster.await_state(job, "REVERTED", within_s=30)
        assert server.keys() == [f"{job}/ask", f"{job}/ask/revert", f"{job}/ask/revert"]
