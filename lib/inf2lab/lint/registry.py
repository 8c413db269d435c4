"""Which code names which rule: one line each, in the order of the files that a rule reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inf2lab.lint.finding import Rule
from inf2lab.lint.rules.batch import (
    batch_size_of_the_server,
    rolling_batch_by_accident,
    several_workers_a_group,
)
from inf2lab.lint.rules.containers import (
    exposed_management,
    image_of_another_release,
    mount_elsewhere,
    scattered_devices,
    too_few_devices,
    unreachable_metadata,
)
from inf2lab.lint.rules.degree import (
    degree_with_a_price,
    devices_that_collide,
    illegal_degree,
    model_beyond_memory,
    uncounted_copies,
)
from inf2lab.lint.rules.dtype import (
    dtype_left_to_default,
    dtype_of_the_other_route,
)
from inf2lab.lint.rules.handler import (
    bypassed_model_py,
    entry_point_of_another_release,
    handler_left_to_chance,
    missing_handler,
    unknown_engine,
)
from inf2lab.lint.rules.keys import (
    empty_value,
    key_in_another_case,
    option_of_a_later_release,
    option_without_prefix,
    unknown_key,
)
from inf2lab.lint.rules.model import (
    model_unlike_its_folder,
    no_weights_named,
    two_sources_of_weights,
    unsupported_architecture,
)
from inf2lab.lint.rules.model_py import (
    accelerate_by_luck,
    checkpoint_kept_while_splitting,
    global_without_a_value,
    hard_coded_model,
    no_handle_function,
    option_that_is_not_set,
    option_that_nobody_reads,
    packages_installed_at_start,
    shared_split_folder,
    stacked_prompts,
    syntax_of_a_later_python,
    truth_of_a_model,
    unchecked_batch,
    warm_up_not_answered,
)
from inf2lab.lint.rules.positions import (
    fewer_positions_than_the_model,
    positions_beyond_the_model,
    positions_left_to_default,
)
from inf2lab.lint.rules.properties import (
    comment_after_value,
    duplicate_key,
    quoted_value,
    second_properties_file,
    swallowed_line,
    text_not_ascii,
    trailing_blank,
    unreadable_escape,
)
from inf2lab.lint.rules.requests import (
    request_beyond_positions,
    request_of_the_other_route,
    request_taken_for_a_form,
    request_that_fills_the_cache,
    wrong_name_in_url,
    wrong_number_of_prompts,
)
from inf2lab.lint.rules.timeouts import (
    overridden_timeout,
    short_loading_timeout,
)
from inf2lab.lint.rules.values import (
    not_a_number,
    number_below_one,
    unroll_as_text,
    value_not_accepted,
)

# P: the properties format, K: keys, V: values, E: the handler that is chosen, D: number format, T: degree, memory and
# copies, O: positions, B: batch and workers, L: time limits, I: the model, M: model.py, R: requests, S: containers.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "P001": unreadable_escape,
        "P002": duplicate_key,
        "P003": trailing_blank,
        "P004": comment_after_value,
        "P005": swallowed_line,
        "P006": quoted_value,
        "P007": text_not_ascii,
        "P008": second_properties_file,
        "K001": option_without_prefix,
        "K002": unknown_key,
        "K003": option_of_a_later_release,
        "K004": key_in_another_case,
        "K005": empty_value,
        "V001": not_a_number,
        "V002": number_below_one,
        "V003": value_not_accepted,
        "V004": unroll_as_text,
        "E001": entry_point_of_another_release,
        "E002": missing_handler,
        "E003": bypassed_model_py,
        "E004": unknown_engine,
        "E005": handler_left_to_chance,
        "D001": dtype_of_the_other_route,
        "D002": dtype_left_to_default,
        "T001": illegal_degree,
        "T002": degree_with_a_price,
        "T003": model_beyond_memory,
        "T004": uncounted_copies,
        "T005": devices_that_collide,
        "O001": positions_left_to_default,
        "O002": positions_beyond_the_model,
        "O003": fewer_positions_than_the_model,
        "B001": batch_size_of_the_server,
        "B002": rolling_batch_by_accident,
        "B003": several_workers_a_group,
        "L001": short_loading_timeout,
        "L002": overridden_timeout,
        "I001": model_unlike_its_folder,
        "I002": two_sources_of_weights,
        "I003": no_weights_named,
        "I004": unsupported_architecture,
        "M001": syntax_of_a_later_python,
        "M002": no_handle_function,
        "M003": option_that_is_not_set,
        "M004": option_that_nobody_reads,
        "M005": hard_coded_model,
        "M006": stacked_prompts,
        "M007": shared_split_folder,
        "M008": warm_up_not_answered,
        "M009": unchecked_batch,
        "M010": checkpoint_kept_while_splitting,
        "M011": truth_of_a_model,
        "M012": global_without_a_value,
        "M013": accelerate_by_luck,
        "M014": packages_installed_at_start,
        "R001": request_beyond_positions,
        "R002": request_of_the_other_route,
        "R003": wrong_number_of_prompts,
        "R004": wrong_name_in_url,
        "R005": request_taken_for_a_form,
        "R006": request_that_fills_the_cache,
        "S001": scattered_devices,
        "S002": too_few_devices,
        "S003": exposed_management,
        "S004": unreachable_metadata,
        "S005": mount_elsewhere,
        "S006": image_of_another_release,
    }
)
