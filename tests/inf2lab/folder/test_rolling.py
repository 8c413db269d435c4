"""Which lines switch a rolling batch on, release by release: the folder's reader, the linter and the server agree."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inf2lab import catalog
from inf2lab.lint import Target
from inf2lab.lint.examples import HANDLER
from inf2lab.lint.registry import RULES
from inf2lab.lint.target import Folder, read_folder
from rehearsal.server.config import Flags, load_config
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.info import ModelInfo, Registration

SPEAKS = HANDLER + "\nSTEP = {'data': 'x', 'last': True}\n"
PROFILES = [name for name, profile in catalog.profiles().items() if profile.version]
LINES = st.lists(
    st.tuples(
        st.sampled_from(["option.rolling_batch", "rolling_batch", "option.dtype", "Rolling_batch"]),
        st.sampled_from(["auto", "disable", "", "foo", "Disable", "disable ", "false"]),
    ),
    max_size=3,
)


def read(path: Path, lines: list[tuple[str, str]], profile: str, code: str = HANDLER) -> Folder:
    """A folder with its own handler and these lines, under a profile."""
    (path / "model.py").write_text(code)
    (path / "serving.properties").write_text("engine=Python\n" + "".join(f"{key}={value}\n" for key, value in lines))
    return read_folder(path, Target(profile))


def value_in(lines: list[tuple[str, str]]) -> str | None:
    """What counts: the option before the plain key, the last of each."""
    found = dict(lines)
    return found.get("option.rolling_batch", found.get("rolling_batch"))


@given(LINES, st.sampled_from(PROFILES))
@settings(max_examples=50, deadline=None)
def test_the_server_rolls_from_0_23_for_any_value_and_from_0_27_unless_it_is_disable(lines, profile):
    release, value = catalog.profile(profile).version, value_in(lines)
    off = release < (0, 23) or value is None or (release >= (0, 27) and value == "disable")
    with tempfile.TemporaryDirectory() as path:
        folder = read(Path(path), lines, profile)
        assert folder.server_rolls is not off
        assert bool(list(RULES["B005"].check(folder))) is not off, "a handler that answers normally hangs"
        assert not list(RULES["B005"].check(read(Path(path), lines, profile, SPEAKS)))


@given(LINES)
@settings(max_examples=50, deadline=None)
def test_the_rehearsal_rolls_where_the_reader_says_so(lines):
    with tempfile.TemporaryDirectory() as path:
        folder = read(Path(path), lines, "djl-0.25")
        served = ModelInfo(Registration("m", path), load_config(Flags(), {}))
        served.configure(ServerLog())
        assert served.rolls is folder.server_rolls


@pytest.mark.parametrize(
    ("profile", "value", "rolls"),
    [
        ("djl-0.23", "auto", False),
        ("djl-0.24", "disable", True),
        ("djl-0.25", "disable", False),
        ("djl-0.25", "auto", True),
        ("djl-0.26", "disable", False),
        ("djl-0.32", "disable", False),
    ],
)
def test_djls_own_handler_rolls_by_rules_of_its_own(tmp_path, profile, value, rolls):
    entry = catalog.profile(profile).entry_point
    (tmp_path / "serving.properties").write_text(f"option.entryPoint={entry}\noption.rolling_batch={value}\n")
    folder = read_folder(tmp_path, Target(profile))
    assert (folder.rolling, folder.server_rolls) == (rolls, not (value == "disable" and profile > "djl-0.26"))
    assert bool(list(RULES["B005"].check(folder))) is (folder.server_rolls and not rolls)
