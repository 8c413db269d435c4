"""Notebook 09 on a live cluster, and what its acts found: it grows, shrinks and is hurt, and requests go on.

Its cells are run here, so that tests can ask for what readers only see printed. As in `test_live.py` it is order that
counts. The folder is the one that 04 writes, in a clone of its own: what a reader wrote stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from types import SimpleNamespace

import pytest

from inf2lab.scale.ray.bench.record import FULL, NODES
from tests.support.cells import NOTEBOOKS, run_cells
from tests.support.clones import make_clone
from tests.support.written import write_folder

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def acts(scale_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The notebook's variables when it has ended; its own checks have passed then."""
    clone = make_clone(tmp_path_factory.mktemp("scale") / "clone")
    told = SimpleNamespace()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INF2LAB_ROOT", str(clone))
        patch.setenv("INF2LAB_LOGS", str(clone / "logs"))
        patch.chdir(clone)
        write_folder(clone / "models" / "opt13b", NOTEBOOKS / "04_model_py.ipynb")
        try:
            run_cells("09_scale_out", {"cluster": "live"}, vars(told))
            yield told
        finally:
            if hasattr(told, "stage"):
                told.stage.close()


def test_the_folder_of_04_answers_through_serve(acts: SimpleNamespace) -> None:
    assert acts.stage.live
    assert acts.text.startswith("The river runs")
    assert len(acts.text) > 2 * len("The river runs")


def test_from_one_to_seven_replicas_under_load(acts: SimpleNamespace) -> None:
    assert (acts.grown.before, acts.grown.after, acts.grown.failed) == (1, FULL, 0)
    assert acts.grown.requests > FULL


def test_from_seven_to_one_without_cutting_a_stream(acts: SimpleNamespace) -> None:
    assert (acts.shrunk.before, acts.shrunk.after, acts.shrunk.failed) == (FULL, 1, 0)
    assert acts.shrunk.requests > 2 * FULL


def test_replicas_stand_where_the_cores_are(acts: SimpleNamespace) -> None:
    by_node = Counter(one.node for one in acts.placed)
    assert sorted(by_node.values()) == [1, 3, 3]
    assert all(by_node[number] <= cores // 8 for number, cores in enumerate(NODES))
    assert all(len(set(one.cores)) == 8 and max(one.cores) < NODES[one.node] for one in acts.placed)
    for one, other in combinations(acts.placed, 2):
        assert one.node != other.node or not set(one.cores) & set(other.cores)


@pytest.mark.parametrize("place", [0, 1], ids=["replica", "server"])
def test_a_killed_process_fails_only_what_was_in_flight(acts: SimpleNamespace, place: int) -> None:
    loss = acts.losses[place]
    assert loss.lost == 1
    assert loss.failed <= loss.in_flight
    assert loss.failed_later == 0
    assert loss.longest_gap_s < loss.back_s  # the others answered meanwhile
    assert loss.requests > 20


def test_a_lost_node_is_made_up_for_elsewhere(acts: SimpleNamespace) -> None:
    loss = acts.losses[2]
    assert loss.lost >= 2
    assert loss.failed <= loss.in_flight
    assert loss.longest_gap_s < loss.back_s / 2  # the others answered throughout


def test_the_shutdown_timeout_decides_whether_streams_come_whole(acts: SimpleNamespace) -> None:
    assert [streams.whole == streams.streams for streams in acts.cuts] == [False, True]


def test_no_request_of_the_queue_failed(acts: SimpleNamespace) -> None:
    assert [one.failed for one in acts.queued] == [0, 0]


def test_nothing_of_it_had_to_be_killed(acts: SimpleNamespace) -> None:
    assert acts.left == []
