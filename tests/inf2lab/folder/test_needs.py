"""inf2lab.folder.Needs: what a folder asks of its machine, each default by its rule, and one error for a bad value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings
from inf2lab.errors import FolderError, ServerError
from inf2lab.folder import Needs, is_secret
from inf2lab.planning import plan_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import WriteFolder

HANDLER = "def handle(inputs): ...\n"
BUILT_IN = {"option.entryPoint": "djl_python.transformers_neuronx"}
BAD = {
    "option.tensor_parallel_degree": ("abc", "0", "-1", "2.5"),
    "option.batch_size": ("two", "0"),
    "batch_size": ("x",),
    "option.n_positions": ("long",),
    "option.dtype": ("int4",),
    "option.model_loading_timeout": ("long", "-1"),
    "option.predict_timeout": ("1e3",),
}


@pytest.fixture
def needs(write_folder: WriteFolder) -> Callable[..., Needs]:
    """A function that returns what a folder of these keys needs: needs({"option.dtype": "bf16"}, handler="...")."""

    def read(values: dict[str, object], *, handler: str | None = None, **settings: object) -> Needs:
        return Needs(Settings(**settings), write_folder("m", values, handler=handler))  # type: ignore[arg-type]

    return read


def test_the_built_in_handler_has_its_releases_defaults(needs: Callable[..., Needs]) -> None:
    found = needs(BUILT_IN)
    assert (found.degree, found.rows, found.gathers) == (1, 1, 1)
    assert (found.n_positions, found.dtype) == (128, "f32")
    assert (found.loading_s, found.predict_s) == (7200, 360)


def test_a_time_out_of_0_is_none_that_is_set(needs: Callable[..., Needs]) -> None:
    found = needs(BUILT_IN | {"option.model_loading_timeout": 0, "option.predict_timeout": 0})
    assert (found.loading_s, found.predict_s) == (7200, 360)


def test_a_later_release_has_its_own_defaults(needs: Callable[..., Needs]) -> None:
    assert needs(BUILT_IN, profile="djl-0.28").dtype == "f16"


def test_a_handler_of_ones_own_has_the_librarys_positions_and_the_articles_dtype(needs: Callable[..., Needs]) -> None:
    found = needs({"engine": "Python"}, handler=HANDLER)
    assert (found.rows, found.n_positions, found.dtype) == (1, 2048, "f16")


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_bad_value_is_one_error_with_file_key_value_and_rule(
    needs: Callable[..., Needs], key: str, value: str
) -> None:
    with pytest.raises(FolderError, match="write ") as caught:
        needs({**BUILT_IN, key: value}).check()
    assert f"m/serving.properties: {key}={value}: write " in str(caught.value)


def test_max_is_every_core_of_the_instance(needs: Callable[..., Needs]) -> None:
    found = needs({"option.tensor_parallel_degree": "max"}, instance="inf2.24xlarge")
    assert (found.degree, found.devices, found.workers) == (12, 6, 1)


def test_an_odd_degree_leaves_a_core_of_its_last_device(needs: Callable[..., Needs]) -> None:
    found = needs({"option.tensor_parallel_degree": 3})
    assert (found.devices, found.cores, found.workers) == (2, 4, 1)


def test_more_cores_than_the_instance_has_are_refused_with_the_remedy(needs: Callable[..., Needs]) -> None:
    with pytest.raises(ServerError, match=r"2 x degree 2 needs 4 NeuronCores, and inf2\.xlarge has 2: lower copies"):
        needs({"option.tensor_parallel_degree": 2}, instance="inf2.xlarge", copies=2).check()


@pytest.mark.parametrize(
    ("values", "handler", "shape"),
    [
        ({}, HANDLER, "article"),
        ({"option.entryPoint": "model.py"}, HANDLER, "article"),
        (BUILT_IN, HANDLER, "builtin"),
        (BUILT_IN, None, "builtin"),
        ({**BUILT_IN, "option.enable_streaming": "true"}, None, "builtin-stream"),
        ({"option.enable_streaming": "true"}, HANDLER, "article"),
    ],
)
def test_the_requests_are_those_of_the_handler_that_serves(
    needs: Callable[..., Needs], values: dict[str, object], handler: str | None, shape: str
) -> None:
    assert needs(values, handler=handler).stated.shape == shape


@pytest.mark.parametrize(
    ("profile", "values", "rows"),
    [
        ("djl-0.24", {"option.max_rolling_batch_size": 4}, 4),
        (
            "djl-0.25",
            {"option.rolling_batch": "auto"},
            1,
        ),  # compiled for batch_size; the rolling batch has no more rows
        ("djl-0.25", {"option.rolling_batch": "auto", "option.batch_size": 4}, 4),
        ("djl-0.26", {"option.rolling_batch": "auto"}, 32),
        ("djl-0.29", {"option.rolling_batch": "auto", "option.max_rolling_batch_size": 8}, 8),
        ("djl-0.32", {}, 32),
    ],
)
def test_a_rolling_batch_has_its_rows_from_as_many_requests(
    needs: Callable[..., Needs], profile: str, values: dict[str, object], rows: int
) -> None:
    found = needs({**BUILT_IN, **values}, profile=profile)
    assert found.rows == rows
    assert found.at_once(2) == (2 * rows if found.stated.rolling else 2)


@pytest.mark.parametrize(
    ("profile", "key", "rows"),
    [
        ("djl-0.25", "batch_size", 4),
        ("djl-0.29", "max_dynamic_batch_size", 4),
        ("djl-0.25", "max_dynamic_batch_size", 1),
    ],
)
def test_the_built_in_handler_is_compiled_for_the_servers_own_batch_too(
    needs: Callable[..., Needs], profile: str, key: str, rows: int
) -> None:
    """DJL's own tests from 0.27 on state the batch without `option.`, and it is compiled for as many rows."""
    found = needs({**BUILT_IN, key: 4}, profile=profile)
    assert (found.rows, found.gathers) == (rows, rows)


def test_requests_that_are_gathered_are_answered_at_once(needs: Callable[..., Needs]) -> None:
    found = needs({**BUILT_IN, "option.batch_size": 2, "batch_size": 4})
    assert (found.rows, found.gathers, found.at_once(3)) == (2, 4, 12)


@pytest.mark.parametrize(("handler", "profile", "rows"), [(HANDLER, "djl-0.25", 4), (HANDLER, "seed-0.21", 1)])
def test_a_handler_of_ones_own_is_given_the_servers_batch_size_too(
    needs: Callable[..., Needs], handler: str, profile: str, rows: int
) -> None:
    assert needs({"batch_size": 4}, handler=handler, profile=profile).rows == rows


def test_weights_on_s3_are_named_without_the_scheme(needs: Callable[..., Needs]) -> None:
    assert needs({"option.model_id": "s3://b/opt/"}).weights_on_s3 == "b/opt/"


@pytest.mark.parametrize(
    ("stated", "handler", "dtype"),
    [("fp32", None, "f32"), ("bf16", None, "bf16"), ("fp16", None, "f16"), ("f32", HANDLER, "f32")],
)
def test_the_plan_has_the_folders_dtype_and_not_f16(
    write_folder: WriteFolder, stated: str, handler: str | None, dtype: str
) -> None:
    values = {"option.model_id": "facebook/opt-13b", "option.tensor_parallel_degree": 8, "option.dtype": stated}
    folder = write_folder("m", values, handler=handler)
    made = plan_of(folder, Settings())
    assert made.request.dtype == dtype
    assert (made.memory.weights > 5 * 2**30) is (dtype == "f32")


SECRETS = "HF_TOKEN API_TOKENS AUTH_TOKENS option.hf_token db_passwd DB_PASS pass AUTH BASIC_AUTH ACCESSKEY MY_KEY"
PLAIN = "TOKENIZERS_PARALLELISM SSH_AUTH_SOCK AUTH_MODE BYPASS COMPASS KEYS option.top_k MASTER_ADDR PASSES"


@pytest.mark.parametrize("name", SECRETS.split())
def test_a_secret_by_its_name_is_given_to_nobody(needs: Callable[..., Needs], name: str) -> None:
    found = needs(BUILT_IN, docker_options=f"-e {name}=sk-1,sk-2 -e MINE=1")
    assert found.given_values == {"MINE": "1"}
    assert "sk-1" not in " ".join(found.environment.values())


@pytest.mark.parametrize("name", PLAIN.split())
def test_what_only_sounds_like_one_is_given(needs: Callable[..., Needs], name: str) -> None:
    assert needs(BUILT_IN, docker_options=f"-e {name}=x").given_values == {name: "x"}


@pytest.mark.parametrize("value", ["9", "true", "False", "[128,256]", "-1", '"9"', ""])
def test_tokens_that_are_counted_are_no_secrets(value: str) -> None:
    assert not is_secret("MAX_TOKENS", value)
    assert not is_secret("option.skip_special_tokens", value)
    assert is_secret("API_TOKENS_SECRET", value)
    assert is_secret("PASSWORD", value)
