"""The model folder: what DJLServing mounts and both lanes share, byte for byte; the only reader of what it means."""

from inf2lab.folder.article import ARTICLE, ARTICLE_PROFILE, write_article
from inf2lab.folder.container import MODEL_STORE, Container
from inf2lab.folder.containers import containers_in, variables_of
from inf2lab.folder.docker_words import docker_runs
from inf2lab.folder.environment import PLAIN_VARIABLES, Variable, key_of, merge
from inf2lab.folder.launches import Launch, launches_in
from inf2lab.folder.migrated import MIGRATED, Migrated
from inf2lab.folder.model_folder import Aim, ModelFolder, read_config
from inf2lab.folder.needs import (
    COMPILED,
    INSIDE_PORT,
    LIBRARY_POSITIONS,
    LOAD_MARGIN_S,
    MANAGEMENT_PORT,
    Needs,
    cache_variables,
    container_environment,
    is_secret,
    timeouts,
)
from inf2lab.folder.properties import (
    FILE_NAME,
    IS_UTF_16,
    MAKE_UTF_8,
    OPTION,
    Edit,
    Entry,
    Properties,
    parse_properties,
    properties_text,
    read_properties,
    write_properties,
)
from inf2lab.folder.reading import TYPES, Reading, as_notebook_04, reading_of
from inf2lab.folder.shell import Place, Words, shell_commands
from inf2lab.folder.stated import PLAIN_KEYS_REACH_PYTHON, Stated, default_handler

__all__ = [
    "ARTICLE",
    "ARTICLE_PROFILE",
    "COMPILED",
    "FILE_NAME",
    "INSIDE_PORT",
    "IS_UTF_16",
    "LIBRARY_POSITIONS",
    "LOAD_MARGIN_S",
    "MAKE_UTF_8",
    "MANAGEMENT_PORT",
    "MIGRATED",
    "MODEL_STORE",
    "OPTION",
    "PLAIN_KEYS_REACH_PYTHON",
    "PLAIN_VARIABLES",
    "TYPES",
    "Aim",
    "Container",
    "Edit",
    "Entry",
    "Launch",
    "Migrated",
    "ModelFolder",
    "Needs",
    "Place",
    "Properties",
    "Reading",
    "Stated",
    "Variable",
    "Words",
    "as_notebook_04",
    "cache_variables",
    "container_environment",
    "containers_in",
    "default_handler",
    "docker_runs",
    "is_secret",
    "key_of",
    "launches_in",
    "merge",
    "parse_properties",
    "properties_text",
    "read_config",
    "read_properties",
    "reading_of",
    "shell_commands",
    "timeouts",
    "variables_of",
    "write_article",
    "write_properties",
]
