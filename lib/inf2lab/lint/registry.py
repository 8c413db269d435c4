"""Which code names which rule: one line each, in the order of the files that a rule reads."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import cast

from inf2lab.lint.finding import Rule

# P: the properties format, K: keys, V: values, E: the handler that is chosen, D: number format, T: degree, memory and
# copies, O: positions, B: batch and workers, L: time limits, I: the model, M: model.py, R: requests, S: containers.
_FILES = {
    "P001": "properties.unreadable_escape",
    "P002": "properties.duplicate_key",
    "P003": "properties.trailing_blank",
    "P004": "properties.comment_after_value",
    "P005": "properties.swallowed_line",
    "P006": "properties.quoted_value",
    "P007": "properties.text_not_ascii",
    "P008": "properties.second_properties_file",
    "K001": "keys.option_without_prefix",
    "K002": "keys.unknown_key",
    "K003": "keys.option_of_a_later_release",
    "K004": "keys.key_in_another_case",
    "K005": "keys.empty_value",
    "V001": "values.not_a_number",
    "V002": "values.number_below_one",
    "V003": "values.value_not_accepted",
    "V004": "values.unroll_as_text",
    "E001": "handler.entry_point_of_another_release",
    "E002": "handler.missing_handler",
    "E003": "handler.bypassed_model_py",
    "E004": "handler.unknown_engine",
    "E005": "handler.handler_left_to_chance",
    "D001": "dtype.dtype_of_the_other_route",
    "D002": "dtype.dtype_left_to_default",
    "T001": "degree.illegal_degree",
    "T002": "degree.degree_with_a_price",
    "T003": "degree.model_beyond_memory",
    "T004": "degree.uncounted_copies",
    "T005": "degree.devices_that_collide",
    "T006": "degree.load_beyond_the_host",
    "O001": "positions.positions_left_to_default",
    "O002": "positions.positions_beyond_the_model",
    "O003": "positions.fewer_positions_than_the_model",
    "B001": "batch.batch_size_of_the_server",
    "B002": "batch.rolling_batch_by_accident",
    "B003": "batch.several_workers_a_group",
    "L001": "timeouts.short_loading_timeout",
    "L002": "timeouts.overridden_timeout",
    "I001": "model.model_unlike_its_folder",
    "I002": "model.two_sources_of_weights",
    "I003": "model.no_weights_named",
    "I004": "model.unsupported_architecture",
    "M001": "model_py.syntax_of_a_later_python",
    "M002": "model_py.no_handle_function",
    "M003": "model_py.option_that_is_not_set",
    "M004": "model_py.option_that_nobody_reads",
    "M005": "model_py.hard_coded_model",
    "M006": "model_py.stacked_prompts",
    "M007": "model_py.shared_split_folder",
    "M008": "model_py.warm_up_not_answered",
    "M009": "model_py.unchecked_batch",
    "M010": "model_py.checkpoint_kept_while_splitting",
    "M011": "model_py.truth_of_a_model",
    "M012": "model_py.global_without_a_value",
    "M013": "model_py.accelerate_by_luck",
    "M014": "model_py.packages_installed_at_start",
    "R001": "requests.request_beyond_positions",
    "R002": "requests.request_of_the_other_route",
    "R003": "requests.wrong_number_of_prompts",
    "R004": "requests.wrong_name_in_url",
    "R005": "requests.request_taken_for_a_form",
    "R006": "requests.request_that_fills_the_cache",
    "S001": "containers.scattered_devices",
    "S002": "containers.too_few_devices",
    "S003": "containers.exposed_management",
    "S004": "containers.unreachable_metadata",
    "S005": "containers.mount_elsewhere",
    "S006": "containers.image_of_another_release",
}
RULES: Mapping[str, Rule] = MappingProxyType(
    {code: cast(Rule, import_module(f"inf2lab.lint.rules.{file}")) for code, file in _FILES.items()}
)
