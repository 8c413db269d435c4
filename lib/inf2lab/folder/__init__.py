"""The model folder: what DJLServing mounts and both lanes share, byte for byte; the only reader of what it means."""

from inf2lab.folder.model_folder import Aim, ModelFolder
from inf2lab.folder.needs import Needs
from inf2lab.folder.properties import read_properties, write_properties

__all__ = ["Aim", "ModelFolder", "Needs", "read_properties", "write_properties"]
