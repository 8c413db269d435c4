"""Whether the image of the chip's lane can be pulled at all: asked of its registry, before an instance is rented."""

from inf2lab.doctor.diagnosis import Diagnosis, Level
from inf2lab.errors import EngineError
from inf2lab.serving import ask_registry, has_image, second_source
from inf2lab.settings import Settings

REGION = "us-east-2"  # of the second source that is named; others have it too


def published(settings: Settings) -> Diagnosis | None:
    """Whether the registry has the image; nothing where it is here already."""
    name = settings.image or settings.stack.image
    try:
        if has_image(name):
            return None
    except EngineError:  # a laptop without Docker asks all the same
        pass
    answer = ask_registry(name)
    level = {True: Level.OK, False: Level.MISSING, None: Level.NOTE}[answer.there]
    return Diagnosis("registry", level, str(answer), "" if answer.there else _elsewhere(settings))


def _elsewhere(settings: Settings) -> str:
    other = second_source(settings, REGION)
    again = f"the same release is {other}, for any AWS account; " if other else ""
    return f"{again}docs/image.md says how to pull it once into a registry of your own and serve that by digest"
