"""The model folder: what DJLServing mounts and both lanes share, byte for byte."""

from inf2lab.folder.model_folder import ModelFolder
from inf2lab.folder.properties import read_properties, write_properties

__all__ = ["ModelFolder", "read_properties", "write_properties"]
