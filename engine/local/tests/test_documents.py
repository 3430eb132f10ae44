# SPDX-License-Identifier: Apache-2.0
"""The flows that people copy: every flow in README.md and docs/, and every file of examples/, is
checked without a warning, run, and ends as the tables here say."""
import json
import pathlib
import re
import subprocess

import pytest

from flow_run import TOOL, history
from http_service import Service

ROOT = pathlib.Path(__file__).parents[3]
ANY = object()  # an output that is another one each time


def documented():
    """name of a flow -> its text, from the fenced blocks of the documents."""
    found = {}
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for text in re.findall(r"^```yaml\n(.*?)^```", file.read_text(), re.S | re.M):
            name = re.match(r"flow: (\S+)\n", text)
            if name:
                assert name.group(1) not in found, "two flows are called %s" % name.group(1)
                found[name.group(1)] = text
    return found


FLOWS = documented()
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.yaml"))


def check(file):
    """Neither an error nor a warning."""
    done = subprocess.run([TOOL, "flow", "check", "--json", str(file)], capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["problems"] == [], done.stdout


def ends(file, state, wanted, *args):
    """Runs it: how the job ended, and its output."""
    done = subprocess.run([TOOL, "flow", "run", str(file), *args], capture_output=True, text=True,
                          timeout=60)
    states = re.findall(r"\(job\) +(\S+)", done.stderr)
    assert states and states[-1] == state, done.stderr
    assert done.returncode == (0 if state == "SUCCESS" else 1)
    found = json.loads(done.stdout, parse_float=str) if done.stdout.strip() else None
    if wanted is not ANY:
        assert found == wanted


# ------------------------------------------------------------------------------ in the documents

DOCUMENTED = {
    "hello": ("SUCCESS", "HELLO, WORLD"),
    "verbs": ("SUCCESS", None),
    "declared-input": ("SUCCESS", "12.50 EUR for DE02, 1 times"),
    "data": ("SUCCESS", {"items": [10, 20, 30], "status": "booked"}),
    "with-defaults": ("SUCCESS", None),
    "graph": ("SUCCESS", None),
    "joins": ("SUCCESS", ["a", "SUCCESS", "b", "FAILURE", "c", "SUCCESS"]),
    "choice": ("SUCCESS", "by bicycle"),
    "leave-early": ("SUCCESS", None),
    "again": ("SUCCESS", None),
    "handled": ("SUCCESS", {"how": "slow, because fast had exit 3", "nice": "exit"}),
    "undo": ("REVERTED", None),
    "outward": ("REVERTED", None),
    "fan-out": ("SUCCESS", {"ping": ["0: a", "1: b", "2: c", "3: d"],
                            "sizes": {"small": "small is 1", "large": "large is 100"}}),
    "each-with-its-reason": ("SUCCESS", [
        {"host": "a", "state": "SUCCESS", "why": ""},
        {"host": "b", "state": "FAILURE", "why": "exited with code 1"},
        {"host": "c", "state": "SUCCESS", "why": ""}]),
    "which-value": ("SUCCESS", {"said": "started in paris", "centre": "paris", "failed": ["berlin"]}),
    "quorum": ("SUCCESS", 3),
    "loop": ("SUCCESS", {"healthy": True, "sum": 16}),
    "another-order": ("SUCCESS", [1, 2, 3]),
    "nested": ("SUCCESS", [{"host": "a", "check": "ok a, attempt 1"},
                           {"host": "b", "check": "ok b, attempt 1"}]),
    "other-values": ("SUCCESS", {"centre": "paris", "failed": ["berlin"]}),
    "cleanup": ("FAILURE", None),
    "expressions": ("SUCCESS", {"text": "1 of 2 are up", "few": True, "first": "a",
                                "literal": "write ${ name } to insert it"}),
    "words": ("SUCCESS", {"number": "1.10", "big": 18446744073709551616,
                          "text": ["yes", "0777", "1:30", "~", "5"], "nothing": None}),
    "quotes": ("SUCCESS", None),
    "phone-book": ("SUCCESS", 444),
}
# what needs something from outside has a test of its own
OF_THEIR_OWN = {"http", "publish"}


def test_every_flow_is_run():
    assert set(FLOWS) == set(DOCUMENTED) | OF_THEIR_OWN


def write(tmp_path, name):
    file = tmp_path / ("%s.yaml" % name)
    file.write_text(FLOWS[name])
    check(file)
    return file


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented(tmp_path, name):
    ends(write(tmp_path, name), *DOCUMENTED[name])


def test_how_often_the_levels_ask(tmp_path):
    """The numbers below the example `outward`."""
    words = history(tmp_path, FLOWS["outward"])
    assert [words.count(word) for word in
            ("work/second:R", "work/first:Rd", "prepare:Rd")] == [2 * 2 * 2, 4, 2]


def test_documented_http(tmp_path):
    with Service() as service:
        ends(write(tmp_path, "http"), "SUCCESS", "1", "-i", "base=" + service.base)
        assert [request[:2] for request in service.requests] == [("POST", "/rooms"), ("GET", "/health")]


def test_documented_publish(tmp_path):
    """The one of the README."""
    name = "docs_test_%s" % tmp_path.name
    try:
        ends(write(tmp_path, "publish"), "SUCCESS", ANY, "-i", "name=" + name)
    finally:
        pathlib.Path("/tmp/%s.tgz" % name).unlink(missing_ok=True)


# ------------------------------------------------------------------------------------- examples/

RUNS = [
    ("build-and-publish.yaml", "SUCCESS", {"artifact": "app.tar", "published": True}, "branch=main"),
    ("build-and-publish.yaml", "SUCCESS", {"artifact": "app.tar", "published": False}, "branch=try"),
    ("canary.yaml", "SUCCESS", {"version": "v42", "errors_per_1000": 2}),
    ("canary.yaml", "REVERTED", None, "errors_per_1000=80"),
    ("choice-with-else.yaml", "SUCCESS", "by bicycle"),
    ("choice-with-else.yaml", "SUCCESS", "by lorry", "size=500"),
    ("choice-with-else.yaml", "SUCCESS", "by rail", "size=5000"),
    ("cleanup-with-finally.yaml", "SUCCESS", None),
    ("cleanup-with-finally.yaml", "FAILURE", None, "exit=3"),
    ("early-exit.yaml", "SUCCESS", {"published": False}),
    ("early-exit.yaml", "SUCCESS", {"published": True}, 'changes=["a.c"]'),
    ("fallback.yaml", "SUCCESS", "fast"),
    ("fallback.yaml", "SUCCESS", "slow, because fast had exit 1", "fast_works=false"),
    ("fan-out-then-join.yaml", "SUCCESS", {"words": 8, "letters": 26, "longest": 4}),
    ("hello.yaml", "SUCCESS", {"text": "hello world", "letters": 11}),
    ("nested-retry.yaml", "SUCCESS", "whole"),
    ("nested-retry.yaml", "REVERTED", None, "good_at=9"),
    ("nightly-etl.yaml", "SUCCESS", {
        "tables": [{"table": name, "rows": 20} for name in ("customers", "orders", "payments")],
        "loaded": 60}),
    ("nightly-etl.yaml", "SUCCESS", {"tables": [], "loaded": 0}, "tables=[]"),
    ("nightly-report.yaml", "SUCCESS", {"file": "TMP/report-2024-05-01.txt", "most": 30},
     "day=2024-05-01", "directory=TMP"),
    ("once-payment.yaml", "SUCCESS", ANY, "account=DE02", "amount=12.50"),
    ("once-payment.yaml", "FAILURE", None, "account=DE02", "amount=12500"),
    ("other-datacentres.yaml", "SUCCESS", {"centre": "paris", "attempts": 2, "failed": ["berlin"]}),
    ("other-datacentres.yaml", "REVERTED", None, 'full=["berlin","paris","madrid"]'),
    ("provision-with-undo.yaml", "SUCCESS", {"name": "web1.example.org", "ip": "192.0.2.17"}),
    ("provision-with-undo.yaml", "REVERTED", None, "fail_at=dns"),
    ("provision-with-undo.yaml", "REVERTED", None, "fail_at=disk"),
    ("quorum-backup.yaml", "SUCCESS", ["a", "c", "e"]),
    ("quorum-backup.yaml", "REVERTED", None, 'broken=["a","b","d"]'),
    ("retry-flaky.yaml", "SUCCESS", {"mirror": "three.example"}),
    ("retry-flaky.yaml", "FAILURE", None, 'mirrors=["one.example","two.example"]'),
    ("two-of-three-mirrors.yaml", "SUCCESS",
     {"north": "SUCCESS", "south": "FAILURE", "west": "SUCCESS"}),
    ("two-of-three-mirrors.yaml", "FAILURE", None, 'down=["north","south"]'),
    ("until-healthy.yaml", "SUCCESS", {"healthy": True}),
    ("convert-files.yaml", "SUCCESS", ANY, "target=TMP/converted"),
]


def test_every_example_is_run():
    assert {run[0] for run in RUNS} | {"saga-http.yaml"} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_says_what_it_shows(name):
    text = (ROOT / "examples" / name).read_text()
    assert text.startswith("# ")
    check(ROOT / "examples" / name)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: "%s %s" % (run[0][:-5], " ".join(run[3:])))
def test_example(tmp_path, run):
    name, state, wanted, *inputs = run
    args = [word.replace("TMP", str(tmp_path)) for one in inputs for word in ("-i", one)]
    if isinstance(wanted, dict):
        wanted = {key: value.replace("TMP", str(tmp_path)) if isinstance(value, str) else value
                  for key, value in wanted.items()}
    ends(ROOT / "examples" / name, state, wanted, *args)


def test_too_many_files_fail(tmp_path):
    """A folder of ten files of which two can't be read as files any more."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(10):
        (folder / ("file%d" % number)).write_text("text")
    target = tmp_path / "converted"
    for number in range(2):
        (target / ("file%d.part" % number)).mkdir(parents=True)
    ends(ROOT / "examples/convert-files.yaml", "FAILURE", None,
         "-i", "folder=%s" % folder, "-i", "target=%s" % target)


# ------------------------------------------------------------------------------------- the saga

def saga(service, state, wanted):
    ends(ROOT / "examples/saga-http.yaml", state, wanted, "-i", "base=" + service.base,
         "-i", 'trip={"to":"Lisbon"}')


def test_saga_that_goes_well():
    with Service() as service:
        saga(service, "SUCCESS", {"paid": {"id": "4", "arrival": "noon"}, "car": True})
        assert len(service.booked) == 4 and len(set(service.booked.values())) == 4


def test_saga_without_a_car():
    with Service(cars=[409]) as service:
        saga(service, "SUCCESS", {"paid": {"id": "3", "arrival": "noon"}, "car": False})


def test_saga_that_is_refused_at_the_end():
    with Service(payments=[402]) as service:
        saga(service, "REVERTED", None)
        assert service.booked == {}
        assert all(len(service.keys("DELETE", thing)) == 1 for thing in ("flights", "hotels", "cars"))


def test_saga_with_a_service_that_is_down_for_a_moment():
    """The second try has the key of the first."""
    with Service(hotels=[503, 201]) as service:
        saga(service, "SUCCESS", ANY)
        keys = service.keys("POST", "hotels")
        assert len(keys) == 2 and keys[0] == keys[1]


# --------------------------------------------------------- the table of deliberate differences

def exists(name):
    """Whether a test is there that docs/coming-from-taskflow.md names."""
    kind, what = name.split(": ", 1)
    if kind == "crash":
        return (ROOT / "engine/sim/tests/flows" / (what + ".yaml")).exists()
    if kind == "check":
        return (ROOT / "engine/flow/tests/bad" / (what + ".yaml.err")).exists()
    folder = "cluster-tests" if kind.startswith("cluster ") else "engine/local/tests"
    text = (ROOT / folder / ("test_%s.py" % kind.split()[-1])).read_text()
    return "def %s(" % what in text or '\n    "%s": (' % what in text


def test_the_differences_name_their_tests():
    text = (ROOT / "docs/coming-from-taskflow.md").read_text()
    rows = re.findall(r"^\|.*\| ([^|]+) \|$", text[text.index("## What is different"):], re.M)[2:]
    names = [name for row in rows if row != "–" for name in re.split(r", (?=[a-z_ ]+: )", row)]
    assert len(rows) >= 30 and [name for name in names if not exists(name)] == []
