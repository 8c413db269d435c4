"""inf2lab.pictures: what each picture says in words, read from its labels, and that it can be saved."""

from __future__ import annotations

import io

import pytest
from matplotlib.figure import Figure

from inf2lab import Settings, pictures, plan


def words(figure: Figure) -> list[str]:
    """Every text in a figure, legend and axes included."""
    return [
        text.get_text()
        for axes in figure.axes
        for text in (*axes.texts, *axes.get_yticklabels(), *(axes.legend_.texts if axes.legend_ else ()))
    ]


def saved(figure: Figure) -> bytes:
    """The picture's bytes; drawing raises here if it cannot."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_the_lanes_share_the_folder() -> None:
    figure = pictures.lanes()
    said = "\n".join(words(figure))
    for text in ("serving.properties + model.py", "byte for byte", "rehearsal", "inf2", "DJL's own worker"):
        assert text in said
    assert saved(figure).startswith(b"\x89PNG")


def test_a_bar_a_configuration_with_its_total() -> None:
    memory = {
        "degree 2, batch 2": plan(Settings()).memory,
        "degree 8, batch 2": plan(Settings(tensor_parallel_degree=8)).memory,
    }
    figure = pictures.memory_bars(memory)
    said = words(figure)
    assert {"degree 2, batch 2", "degree 8, batch 2"} <= set(said)
    assert "13.53" in said
    assert {"weights", "KV cache", "padding", "uncertain", "16 GiB core"} <= set(said)
    assert saved(figure)


def test_the_ring_names_each_devices_copy_and_the_idle_ones() -> None:
    made = plan(Settings(instance="inf2.24xlarge", tensor_parallel_degree=8))
    said = words(pictures.ring(made))
    assert [text.split("\n")[1] for text in said[:6]] == ["copy 0"] * 4 + ["idle"] * 2
    assert said[6].startswith("inf2.24xlarge\n6 devices")


@pytest.mark.parametrize(("degree", "copies"), [(2, 8), (4, 2), (8, 1)])
def test_the_articles_device_list_holds_fewer_copies_than_it_has_cores_for(degree: int, copies: int) -> None:
    made = plan(Settings(tensor_parallel_degree=degree))
    said = words(pictures.ring(made, devices=[0, 10, 2, 4, 6, 8, 1, 11]))
    labelled = {text.split("\n")[1] for text in said[:12]}
    assert len([label for label in labelled if label.startswith("copy")]) == copies
    assert sum("not given" in text for text in said) == 4


def test_neighbours_run_over_the_end_of_the_ring() -> None:
    made = plan(Settings(tensor_parallel_degree=8))
    said = words(pictures.ring(made, devices=[0, 10, 2, 4, 6, 8, 1, 11]))
    assert {text.split("\n")[0] for text in said[:12] if "copy" in text} == {"10", "11", "0", "1"}
