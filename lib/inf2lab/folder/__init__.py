"""The model folder: what DJLServing mounts and both lanes share, byte for byte; the only reader of what it means."""

from inf2lab.folder.article import ARTICLE, ARTICLE_PROFILE, write_article
from inf2lab.folder.model_folder import Aim, ModelFolder
from inf2lab.folder.needs import (
    COMPILED,
    INSIDE_PORT,
    LIBRARY_POSITIONS,
    LOAD_MARGIN_S,
    MANAGEMENT_PORT,
    Needs,
    cache_variables,
    container_environment,
)
from inf2lab.folder.properties import (
    FILE_NAME,
    OPTION,
    Edit,
    Entry,
    Properties,
    parse_properties,
    read_properties,
    write_properties,
)
from inf2lab.folder.stated import PLAIN_KEYS_REACH_PYTHON, Stated, default_handler

__all__ = [
    "ARTICLE",
    "ARTICLE_PROFILE",
    "COMPILED",
    "FILE_NAME",
    "INSIDE_PORT",
    "LIBRARY_POSITIONS",
    "LOAD_MARGIN_S",
    "MANAGEMENT_PORT",
    "OPTION",
    "PLAIN_KEYS_REACH_PYTHON",
    "Aim",
    "Edit",
    "Entry",
    "ModelFolder",
    "Needs",
    "Properties",
    "Stated",
    "cache_variables",
    "container_environment",
    "default_handler",
    "parse_properties",
    "read_properties",
    "write_article",
    "write_properties",
]
