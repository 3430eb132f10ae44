# SPDX-License-Identifier: Apache-2.0
"""One cluster for most tests, since starting one takes seconds; a test that hurts it gets it healed
before and after. Everything lives in temporary folders and is gone afterwards.

  --rounds N      rounds of the kill and freeze batteries (few without it; scripts/drills gives many)
  --jobs N        jobs of the battle under load
  --report FILE   where batteries append their measurements, a line of JSON each
"""
import json
import pathlib
import shutil
import tempfile

import pytest

from cluster import Cluster
from dev_tool import traces
from evidence import build_witness


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=0)
    parser.addoption("--jobs", type=int, default=0)
    parser.addoption("--report", default=None)


@pytest.fixture(scope="session")
def witness(tmp_path_factory):
    return build_witness(tmp_path_factory.mktemp("witness"))


def make_cluster(witness, **options):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cluster-test-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, witness, **options)
    yield cluster
    cluster.down()
    shutil.rmtree(folder)
    assert traces(folder) == []


@pytest.fixture(scope="session")
def shared_cluster(witness):
    """T = 2 s, tick = 200 ms, one ZooKeeper, three engines with a grace longer than T."""
    yield from make_cluster(witness)


@pytest.fixture
def cluster(shared_cluster, request):
    """Whole; where a module says `ALL_ENGINES = False`, an engine that an earlier test killed may
    still be starting."""
    shared_cluster.heal(whole=getattr(request.module, "ALL_ENGINES", True))
    shared_cluster.settle()
    yield shared_cluster


@pytest.fixture(scope="module")
def shared_ensemble(witness):
    """Three ZooKeeper servers."""
    yield from make_cluster(witness, zookeepers=3, session_timeout_ms=4000, tick_ms=400)


@pytest.fixture
def ensemble(shared_ensemble):
    shared_ensemble.heal()
    yield shared_ensemble


@pytest.fixture
def report(request):
    """report(battery=…, **numbers) keeps measurements for scripts/drills."""
    def keep(**numbers):
        file = request.config.getoption("--report")
        print(numbers)
        if file:
            with open(file, "a") as stream:
                stream.write(json.dumps(numbers) + "\n")
    return keep


@pytest.fixture
def rounds(request):
    """rounds(few): as many as were asked for, else few."""
    return lambda few: request.config.getoption("--rounds") or few
