"""What the server is told: flags, variables, config.properties, serving.properties, and what follows from them."""

from __future__ import annotations

import pytest

from rehearsal.server import cli
from rehearsal.server.config import MODEL_LOADING_TIMEOUT_S, PREDICT_TIMEOUT_S, Address, Flags, load_config
from rehearsal.server.errors import ApiError, ModelLoadError, SetupError
from rehearsal.server.java import hash_order, parse_int
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device, default_max_workers, device_names, parse_device, visible_cores
from rehearsal.server.models.info import ModelInfo, Registration, model_name
from rehearsal.server.models.store import registration, startup_models
from rehearsal.server.properties import load_properties
from rehearsal.server.switches import Switch


def configured(folder, environ=None, *, cores=0, **registration):
    """A model's settings, read from its folder."""
    config = load_config(Flags(neuron_cores=cores), environ or {})
    info = ModelInfo(Registration("m", folder.as_uri(), **registration), config)
    info.configure(ServerLog())
    return info


def test_variables_beat_flags_beat_the_file_and_the_port_beats_all(tmp_path):
    file = tmp_path / "config.properties"
    file.write_text(
        "job_queue_size=5\nbatch_size=6\ninference_address=http://127.0.0.1:9000\nmystery=1\nwait_model_loading=FALSE\n"
    )
    config = load_config(Flags(config_file=file, port=1234), {"SERVING_BATCH_SIZE": "7", "SERVING_ODD": "x"})
    assert (config.job_queue_size, config.batch_size, config.max_idle_time_s) == (5, 7, 60)
    assert config.inference == config.management == Address("127.0.0.1", 1234)
    assert config.unknown_keys == ("mystery", "odd")
    assert not config.wait_model_loading


def test_a_variable_is_stronger_than_a_flag_as_in_the_original(tmp_path):
    file = tmp_path / "config.properties"
    file.write_text(f"model_store={tmp_path}/file\nload_models=a\n")
    flags = Flags(config_file=file, model_store=tmp_path / "flag", models=("b", "c=/x"), host="127.0.0.2")
    config = load_config(flags, {})
    assert (config.model_store, config.load_models) == (tmp_path / "flag", "b,c=/x")
    told = {"SERVING_MODEL_STORE": f"{tmp_path}/variable", "SERVING_LOAD_MODELS": "d, e"}
    config = load_config(flags, told | {"SERVING_INFERENCE_ADDRESS": "http://127.0.0.1:9"})
    assert (config.model_store, config.load_models) == (tmp_path / "variable", "d, e")
    assert config.inference == Address("127.0.0.2", 9)


def test_an_unknown_key_is_passed_on_and_named_once(start, model, tmp_path):
    code = """
    seen = None
    def handle(inputs):
        global seen
        seen = seen or dict(inputs.get_properties())
        return None if inputs.is_empty() else Output().add_as_json(seen)
    """
    model(tmp_path / "s", "m", code, "engine=Python\nmystery_key=1\noption.mystery_option=2\n")
    (tmp_path / "config.properties").write_text("odd_key=3\n")
    server = start(tmp_path / "s", "-f", str(tmp_path / "config.properties"), env={"SERVING_OTHER_KEY": "4"})
    seen = server.predict("m", {}).json()
    assert (seen["mystery_key"], seen["mystery_option"]) == ("1", "2")
    for named, once in {
        "mystery_key: 1": 1,
        "option.mystery_option: 2": 1,
        "WARN  Rehearsal configuration key odd_key is not used by the rehearsal": 1,
        "WARN  Rehearsal configuration key other_key is not used by the rehearsal": 1,
    }.items():
        assert sum(named in line for line in server.log) == once, named


def test_separate_management_address(tmp_path):
    config = load_config(Flags(port=1), {"SERVING_MANAGEMENT_ADDRESS": "http://127.0.0.1:2"})
    assert (config.inference.port, config.management.port, config.single_port) == (1, 2, False)


@pytest.mark.parametrize(
    ("environ", "flags", "ports"),
    [
        ({"SERVING_INFERENCE_ADDRESS": "http://127.0.0.1:9"}, Flags(), (9, 8080)),
        ({"SERVING_MANAGEMENT_ADDRESS": "http://127.0.0.1:9"}, Flags(), (8080, 9)),
        ({"SERVING_INFERENCE_ADDRESS": "http://127.0.0.1:9"}, Flags(port=7), (7, 7)),
        ({}, Flags(port=7), (7, 7)),
        ({}, Flags(), (8080, 8080)),
    ],
)
def test_an_address_that_is_stated_leaves_the_other_where_it_is(environ, flags, ports):
    """Unless a flag says where to listen."""
    config = load_config(flags, environ)
    assert (config.inference.port, config.management.port) == ports


def test_a_host_that_is_given_holds_for_both_apis(tmp_path):
    file = tmp_path / "config.properties"
    file.write_text("inference_address=http://0.0.0.0:8080\nmanagement_address=http://0.0.0.0:8081\n")
    config = load_config(Flags(config_file=file, host="127.0.0.1", port=9000), {})
    assert (config.inference, config.management) == (Address("127.0.0.1", 9000), Address("127.0.0.1", 8081))


def test_home_folder_holds_configuration_and_logs(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.properties").write_text("job_queue_size=3\n")
    config = load_config(Flags(), {"MODEL_SERVER_HOME": str(tmp_path)})
    assert (config.job_queue_size, config.log_dir) == (3, tmp_path / "logs")


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SERVING_JOB_QUEUE_SIZE": "many"}, "job_queue_size=many is no whole number"),
        ({"SERVING_INFERENCE_ADDRESS": "https://x:1"}, "only http://HOST:PORT"),
        ({"SERVING_INFERENCE_ADDRESS": "http://x:99999"}, "inference_address=http://x:99999"),
        ({"MODEL_SERVER_HOME": "/no/such"}, "MODEL_SERVER_HOME=/no/such: no such folder"),
        ({"SERVING_CHUNKED_READ_TIMEOUT": "abc"}, "chunked_read_timeout=abc is no whole number"),
        ({"SERVING_MAX_REQUEST_SIZE": "-1"}, "max_request_size=-1 is below 0"),
        ({"SERVING_NUMBER_OF_NETTY_THREADS": "-1"}, "number_of_netty_threads=-1: write 0"),
        ({"SERVING_BATCH_SIZE": " 1"}, "batch_size= 1 is no whole number"),
    ],
)
def test_settings_that_cannot_be_used(environ, says):
    """BAD_LIMIT_DROPS_CONNECTIONS, off."""
    with pytest.raises(SetupError, match=says):
        load_config(Flags(), environ)


@pytest.mark.parametrize(
    ("key", "value", "fault", "java"),
    [
        ("CHUNKED_READ_TIMEOUT", "abc", 'java.lang.NumberFormatException: For input string: "abc"', None),
        ("MAX_REQUEST_SIZE", "-1", "java.lang.IllegalArgumentException: maxContentLength : -1 (expected: >= 0)", None),
        ("MAX_REQUEST_SIZE", "abc", None, 'For input string: "abc"'),
        ("NUMBER_OF_NETTY_THREADS", "-1", None, "nThreads : -1 (expected: > 0)"),
        ("RESERVED_MEMORY_MB", "1.5", None, 'For input string: "1.5"'),
        ("RETRY_THRESHOLD", "abc", "", None),
        ("CHUNKED_READ_TIMEOUT", "-1", "", None),
    ],
)
def test_what_the_original_reads_late(key, value, fault, java):
    """BAD_LIMIT_DROPS_CONNECTIONS, on: some numbers are first read for a connection, or not at all."""
    flags = Flags(original=frozenset(Switch))
    if java is None:
        assert load_config(flags, {f"SERVING_{key}": value}).connection_fault == fault
    else:
        with pytest.raises(SetupError) as caught:
            load_config(flags, {f"SERVING_{key}": value})
        assert caught.value.java == java


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--nope"], 2, "--nope: no flag of this server"),
        (["surplus"], 2, "surplus: no flag of this server"),
        (["--port", "abc"], 2, "argument --port: invalid int value"),
        (["--strict", "on", "--nope"], 1, "-s DIR"),
        (["--strict=on", "-f"], 1, "-s DIR"),
        (["--strict", "on", "surplus", "-f", "/nope"], 1, "Invalid configuration: Configuration file not found: /nope"),
    ],
)
def test_words_that_cannot_be_used(capfd, words, code, says):
    """SETUP_ERROR_EXITS_1, off and on."""
    assert cli.main(words) == code
    assert says in "".join(capfd.readouterr())


def test_java_properties_rules(tmp_path):
    file = tmp_path / "p"
    file.write_bytes(b"a = 1 \\\n  2\n! note\nb:two\nc\\ d=x\\u00e9\nb=three\n\xe9=\xe9\n")
    assert load_properties(file) == {"a": "1 2", "b": "three", "c d": "xé", "é": "é"}
    file.write_text("a=\\u00zz\n")
    with pytest.raises(ApiError, match=r"Malformed \\uxxxx encoding\."):
        load_properties(file)


def test_options_from_file_and_environment(model, tmp_path):
    folder = model(
        tmp_path, "m", properties="engine=Python\noption.dtype=fp16\nbatch_size=4\noption.batch_size=2\nfoo=bar\n"
    )
    environ = {
        "OPTION_DTYPE": "bf16",
        "OPTION_MY_OPT": "z",
        "OPTION_ENTRYPOINT": "model.py",
        "TENSOR_PARALLEL_DEGREE": "2",
    }
    info = configured(folder, environ)
    assert info.options == {"dtype": "fp16", "batch_size": "2", "my_opt": "z", "entryPoint": "model.py"}
    assert info.degree == 2
    sent = info.init_properties()
    assert (sent["batch_size"], sent["foo"], sent["gpu.minWorkers"], sent["handler"]) == ("2", "bar", "1", "handle")
    assert sent["tensor_parallel_degree"] == "2"
    assert info.batch_size == 4  # the server's own batching reads the plain key


def test_the_order_of_a_java_hash_map():
    keys = ["handler", "engine", "foo", "dtype", "entryPoint", "load_on_devices", "n_positions"]
    assert hash_order(sorted(keys)) == keys


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("-5", -5), ("+3", 3), ("2147483647", 2**31 - 1)])
def test_numbers(text, value):
    assert parse_int(text) == value


@pytest.mark.parametrize("text", ["", "abc", "1.5", " 1", "2147483648", "--1", "+", "²"])
def test_no_numbers(text):
    with pytest.raises(ApiError, match="For input string"):
        parse_int(text)


def test_timeouts_option_then_variable_then_default(model, tmp_path):
    folder = model(tmp_path, "m", properties="option.predict_timeout=5\noption.model_loading_timeout=soon\n")
    info = configured(folder, {"PREDICT_TIMEOUT": "9", "MODEL_LOADING_TIMEOUT": "11"})
    assert (info.predict_timeout_s, info.loading_timeout_s) == (5, 11)
    untold = configured(model(tmp_path, "other"))
    assert (untold.predict_timeout_s, untold.loading_timeout_s) == (PREDICT_TIMEOUT_S, MODEL_LOADING_TIMEOUT_S)


@pytest.mark.parametrize(
    ("load_on", "cores", "degree", "names"),
    [
        ("*", 0, 2, ["-1"]),
        ("*", 24, 8, ["nc0", "nc8", "nc16"]),
        ("*", 5, 2, ["nc0", "nc2"]),
        ("*", 2, 0, ["nc0", "nc1"]),
        ("nc0;nc2", 0, 2, ["nc0", "nc2"]),
        ("cpu", 24, 2, ["cpu"]),
        ("", 0, 0, ["-1"]),
    ],
)
def test_devices(load_on, cores, degree, names):
    assert device_names(load_on, cores, degree) == names


def test_device_details():
    assert [parse_device(name) for name in ("-1", "cpu", "1", "nc4")] == [
        Device("cpu", -1),
        Device("cpu", -1),
        Device("gpu", 1),
        Device("nc", 4),
    ]
    assert [str(parse_device(name)) for name in ("-1", "nc4")] == ["cpu()", "nc(4)"]
    assert visible_cores(Device("nc", 4), 2) == "4-5"
    assert visible_cores(Device("nc", 4), 1) == "4-4"  # as recorded of DJLServing 0.25
    assert visible_cores(Device("nc", 4), 0) == "4"
    assert visible_cores(Device("cpu", -1), 2) is None
    assert default_max_workers(Device("nc", 0), {}) == 1
    assert default_max_workers(Device("cpu", -1), {}) == 2
    with pytest.raises(ModelLoadError, match="Neuron devices are not enough to run 8 partitions"):
        device_names("*", 4, 8)


@pytest.mark.parametrize(
    ("properties", "cores", "code", "entry"),
    [
        ("option.entryPoint=x.y\n", 0, "", "x.y"),
        ("", 0, "", "model.py"),
        ("option.model_id=a/b\n", 0, None, "djl_python.huggingface"),
        ("option.model_id=a/b\noption.tensor_parallel_degree=2\n", 2, None, "djl_python.transformers_neuronx"),
        ("option.model_id=a/b\noption.tensor_parallel_degree=2\n", 2, "", "model.py"),
    ],
)
def test_entry_points(model, tmp_path, properties, cores, code, entry):
    folder = model(tmp_path, "m", code, "engine=Python\n" + properties)
    info = configured(folder, cores=cores)
    device = parse_device(info.devices()[0])
    info.load(device)
    assert info.entry_points[device] == entry


def test_worker_range(model, tmp_path):
    folder = model(tmp_path, "m", properties="minWorkers=2\nmaxWorkers=3\nnc.maxWorkers=5\n")
    assert configured(folder).worker_range(Device("cpu", -1)) == (2, 3)
    assert configured(folder).worker_range(Device("nc", 0)) == (2, 5)
    assert configured(folder, min_workers=1, max_workers=1).worker_range(Device("cpu", -1)) == (1, 1)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:/x/text-list/", "text_list"),
        ("file:/x/My%20Model-1.5b/", "My_Model_1_5b"),
        ("file:///x/a.zip", "a"),
        ("file:///x/a.b", "a_b"),
        ("/x/_y", "_y"),
        ("file:/x/%E6%A8%A1/", "_"),
    ],
)
def test_names_from_urls(url, name):
    assert model_name(url) == name


def told(text, store=None):
    environ = {} if text is None else {"SERVING_LOAD_MODELS": text}
    return startup_models(load_config(Flags(model_store=store), environ), ServerLog())


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("a=/x,b=/y", ["a=/x", "b=/y"]),
        ("a=/x b=/y ,, c", ["a=/x", "b=/y", "c"]),
        ("ALL,a", ["ALL", "a"]),
        ("a,", ["a"]),
        (",a", ["", "a"]),
        (" ", []),
        ("NONE", []),
        ("nOnE", []),
        ("ALL", ["a_b=file:{}/a-b/", "echo=file:{}/echo/"]),
        ("all", ["a_b=file:{}/a-b/", "echo=file:{}/echo/"]),
        ("", ["a_b=file:{}/a-b/", "echo=file:{}/echo/"]),
        (None, ["a_b=file:{}/a-b/", "echo=file:{}/echo/"]),
    ],
)
def test_what_load_models_names(model, tmp_path, text, texts):
    """Cut at commas and blanks; ALL and NONE in any case, but alone; empty is ALL. Empty folders are passed over."""
    for name in ("echo", "a-b"):
        model(tmp_path / "s", name)
    for name in ("lost+found", "__pycache__", ".ipynb_checkpoints"):
        (tmp_path / "s" / name).mkdir()
    assert told(text, tmp_path / "s") == [one.format(tmp_path / "s") for one in texts]


def test_without_a_store_nothing_is_loaded(tmp_path):
    assert [told(None), told(""), told("ALL"), told("all", tmp_path / "nowhere")] == [[], [], [], []]


def test_a_store_that_is_one_model(model, tmp_path):
    """A plain file in the store makes it one; a folder that holds only another stands for it, hidden files aside."""
    model(tmp_path, "store")
    assert told(None, tmp_path / "store") == [f"store=file:{tmp_path}/store/"]
    model(tmp_path / "outer" / "x", "inner=1, [2]")
    (tmp_path / "outer" / "x" / ".hidden").touch()
    assert told(None, tmp_path / "outer") == [f"inner_1___2_=file:{tmp_path}/outer/x/inner=1,%20%5B2%5D/"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/s/a", ("a", "/s/a", None, None, None)),
        ("echo", ("echo", "echo", None, None, None)),
        ("c=/s/a", ("c", "/s/a", None, None, None)),
        ("c:v1:Python:nc0=/s/a", ("c", "/s/a", "v1", "Python", "nc0")),
        ("[c:v1]=file:///s/a", ("c", "file:///s/a", "v1", None, None)),
        ("c:::=/s/a", ("c", "/s/a", None, None, "")),
        ("c=/s/a=b", ("c", "/s/a=b", None, None, None)),
        ("a b=/s", ("a b", "/s", None, None, None)),
    ],
)
def test_registrations_at_start(text, wanted):
    """Name, version, engine and devices before the first `=`, and the URL as it is given."""
    said = registration(text)
    assert (said.name, said.url, said.version, said.engine, said.devices) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("=file:/x", "Illegal character in scheme name at index 0: =file:/x"),
        ("1a:/x", "Illegal character in scheme name at index 0: 1a:/x"),
        (":/x", "Expected scheme name at index 0: :/x"),
        ("a=file:", "Expected scheme-specific part at index 5: file:"),
        ("/x[1]", "Illegal character in path at index 2: /x[1]"),
        ("/x%2", "Malformed escape pair at index 2: /x%2"),
        (" ", "Illegal character in path at index 0:  "),
        ("/é", None),
        ("file:///x/y%20z/", None),
    ],
)
def test_what_is_no_url(text, says):
    """Java's words, which a start ends with."""
    if says is None:
        assert registration(text)
    else:
        with pytest.raises(ApiError) as caught:
            registration(text)
        assert (caught.value.java_type, caught.value.message) == ("IllegalArgumentException", says)


def test_an_empty_name_is_refused():
    with pytest.raises(SetupError, match="an empty name"):
        registration("")
