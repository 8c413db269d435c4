"""Runs only by `make test-kubernetes`, which builds the control plane first; then nothing here is skipped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
collect_ignore_glob = [] if os.environ.get("TEST_KUBERNETES") else ["test_*.py"]


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The control plane, for all tests."""
    from control_plane import ControlPlane

    made = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        print(f"\ncontrol plane ready in {made.start():.1f} s")
        yield made
        print("\nMiB:", {name: round(size) for name, size in made.memory_mib().items()})
    finally:
        made.stop()
