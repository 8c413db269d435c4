"""papermill's engine, which writes the executed copy less often: papermill does so twice a cell, always the whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

NAME = "sparing"
EVERY = timedelta(seconds=5)


class Sparing(NBClientEngine):
    """Writes the copy now and then while cells run, and when the notebook ends, however that is."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, kernel_name: str, **options: Any) -> Any:
        """Run the cells."""
        whole = nb_man.save

        def now_and_then(**words: Any) -> None:
            if nb_man.now() - nb_man.last_save_time >= EVERY:
                whole(**words)

        nb_man.save = now_and_then
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            nb_man.save = whole


papermill_engines.register(NAME, Sparing)
