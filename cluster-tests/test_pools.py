# SPDX-License-Identifier: Apache-2.0
"""Jobs that need tags are found whatever the board shows: Postgres has every one."""
from cluster import flow_of, unique, until


def tagged(cluster, tag):
    return flow_of(runs_on=[tag], steps=[cluster.evidence.step("sleep", 5, name="a")])


def add_engine(cluster, tag):
    cluster.dev("engine", "add", "--name", tag, "--", "--tag", tag)
    cluster.refresh()


def test_posted_while_zookeeper_is_away(cluster):
    """The first job of its pool, whose card was never placed: no folder says that the pool is there."""
    tag = unique("gpu")
    add_engine(cluster, tag)
    cluster.dev("zookeeper", "kill", 1)
    jobs = cluster.post(tagged(cluster, tag), "--count", 40)
    cluster.dev("zookeeper", "start", 1)
    cluster.await_all(jobs, within_s=20)
    cluster.judge(*jobs)
    cluster.await_clean_board(10)


def test_its_folder_is_deleted(cluster):
    """With all cards of all pools, by somebody's hand."""
    tag = unique("gpu")
    jobs = cluster.post(tagged(cluster, tag), "--count", 40)
    until(lambda: len(cluster.cards()) >= 40, "the cards")
    cluster.zookeeper().delete(cluster.board("jobs"), recursive=True)
    add_engine(cluster, tag)
    plain = cluster.post(flow_of(steps=[cluster.evidence.step("sleep", 5, name="a")]), "--count", 10)
    cluster.await_all(jobs + plain, within_s=20)
    cluster.judge(*jobs, *plain)
    cluster.await_clean_board(10)
