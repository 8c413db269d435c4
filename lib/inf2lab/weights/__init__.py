"""Which weights speak in the rehearsal: stand-ins, a model's own where they are here, and how those are brought."""

from inf2lab.weights.downloads import fetch, forget, model_called
from inf2lab.weights.standins import STANDINS, hub_home, worker_environment
from inf2lab.weights.standins import prepare as prepare_standin
from inf2lab.weights.tokenizer import fetched_by_container, open_tokenizer

__all__ = [
    "STANDINS",
    "fetch",
    "fetched_by_container",
    "forget",
    "hub_home",
    "model_called",
    "open_tokenizer",
    "prepare_standin",
    "worker_environment",
]
