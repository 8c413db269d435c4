"""model.py hands a class of transformers-neuronx a value or an argument that it does not take."""

import ast
from collections.abc import Iterator

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.handler import argument, name_called, owner
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short
from neuron_rules import GENERATIONS, check_cores, check_heads, check_listed, refused_int8, refused_unroll

NAME, SEVERITY = "argument-that-the-library-refuses", Severity.ERROR
WHY = (
    "`amp` is looked up in a short list, and another word is a bare KeyError; an argument of a later release is one "
    "too. A degree in the code is bound by the same rules as one in the file."
)
CURE = "Write what this release's class takes."
_CODE = (
    "from transformers_neuronx.opt.model import OPTForSampling\n\n"
    'MODEL = OPTForSampling.from_pretrained("/split", amp="fp16", tp_degree=2)\n\n\n' + HANDLER
)
_RIGHT = _CODE.replace("fp16", "f16")
BAD = {"serving.properties": "option.tensor_parallel_degree=2\n", "model.py": _CODE}
GOOD = BAD | {"model.py": _RIGHT}
EXPECT = ["model.py:3 `amp='fp16'`: OPTForSampling takes f32, f16, bf16"]
MORE = [
    Example(
        bad=BAD | {"model.py": _RIGHT.replace("tp_degree=2", "tp_degree=5, init_n_active_tokens=4")},
        good=GOOD,
        expect=(
            "model.py:3 tensor parallel degree 5 is not supported by the Neuron runtime on inf2: use 1, 2, 4, 8, 24 or "
            "another even number",
            "model.py:3 `init_n_active_tokens` is no argument of OPTForSampling in transformers-neuronx 0.8.268",
        ),
    ),
    Example(
        bad=BAD | {"model.py": _RIGHT.replace("\n\n\n", "\nTEXT = MODEL.sample(None, 64, temperature=0.7)\n\n\n", 1)},
        good=BAD | {"model.py": _RIGHT.replace("\n\n\n", "\nTEXT = MODEL.sample(None, 64, top_k=50)\n\n\n", 1)},
        expect=(
            "model.py:4 `temperature` is no argument of OPTForSampling.sample in transformers-neuronx 0.8.268: it has "
            "input_ids, sequence_length, start_ids, top_k",
        ),
    ),
    Example(
        bad=BAD
        | {
            "model.py": _RIGHT.replace(
                "tp_degree=2)", "n_positions=128)\nTEXT = MODEL.sample(None, sequence_length=256)"
            )
        },
        good=BAD
        | {
            "model.py": _RIGHT.replace(
                "tp_degree=2)", "n_positions=128)\nTEXT = MODEL.sample(None, sequence_length=64)"
            )
        },
        expect=("model.py:4 256 positions are sampled, and the model is compiled for 128: StopIteration",),
    ),
]
_TITLES = {"OPT": "opt", "GPT2": "gpt2", "GPTJ": "gptj", "GPTNeoX": "gpt_neox", "Llama": "llama", "Bloom": "bloom"}
CLASSES = {f"{title}ForSampling": kind for title, kind in _TITLES.items()}


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None:
        return
    for call in own.calls:
        name = owner(call) if name_called(call) == "from_pretrained" else name_called(call)
        if name in CLASSES:
            for message in _constructed(folder, call, name, CLASSES[name]):
                yield Hit(own.at(call.lineno), message)
        elif name_called(call) == "sample" and (made := own.classes.get(owner(call), "")) in CLASSES:
            for message in _sampled(folder, call, made):
                yield Hit(own.at(call.lineno), message)


def _constructed(folder: Folder, call: ast.Call, name: str, kind: str) -> Iterator[str]:
    rules = folder.rules
    amp = _literal(call, "amp")
    if isinstance(amp, str) and not _is_amp(amp, folder):
        yield f"`amp={short(amp)!r}`: {name} takes {', '.join(rules.dtypes)}"
    degree = _literal(call, "tp_degree")
    if isinstance(degree, int):
        checks = [check_cores(degree, folder.instance.cores), check_listed(degree, rules, folder.instance.family)]
        if folder.dims and folder.dims.architecture == kind:
            checks.append(check_heads(degree, folder.dims, rules))
        yield from (reason.text for verdict in checks for reason in verdict.reasons)
    unroll = _literal(call, "unroll")
    if isinstance(unroll, int) and (refused := refused_unroll(kind, unroll, unroll)):
        yield refused
    if folder.own and any(folder.own.calls_of("QuantizationConfig")) and (refused := refused_int8(kind, rules)):
        yield refused
    if folder.profile.tnx_generation:
        later = {argument for other in GENERATIONS.values() for argument in other.constructor_arguments.get(kind, ())}
        for word in call.keywords:
            if word.arg in later - set(rules.constructor_arguments.get(kind, ())):
                yield f"`{word.arg}` is no argument of {name} in {_library(folder)}"


def _sampled(folder: Folder, call: ast.Call, name: str) -> Iterator[str]:
    asked, compiled = _literal(call, "sequence_length"), _positions(folder, name)
    if isinstance(asked, int) and compiled and asked > compiled:
        yield f"{asked} positions are sampled, and the model is compiled for {compiled}: StopIteration"
    known = folder.rules.sample_arguments.get(CLASSES[name])
    if not known or not folder.profile.tnx_generation:
        return
    for word in call.keywords:
        if word.arg and word.arg not in known:
            message = f"`{word.arg}` is no argument of {name}.sample in {_library(folder)}"
            yield f"{message}: it has {', '.join(known)}"


def _positions(folder: Folder, name: str) -> int | None:
    """Positions of the one model of that class, where the code writes them as a number."""
    calls = folder.own.calls_of("from_pretrained") if folder.own else ()
    found = [_literal(call, "n_positions") for call in calls if owner(call) == name]
    return found[0] if len(found) == 1 and isinstance(found[0], int) else None


def _is_amp(amp: str, folder: Folder) -> bool:
    compute, *stored = amp.split("-")
    return compute in folder.rules.dtypes and (not stored or stored[0] in folder.rules.matrix_dtypes)


def _literal(call: ast.Call, name: str) -> object:
    value = argument(call, name)
    return value.value if isinstance(value, ast.Constant) else None


def _library(folder: Folder) -> str:
    return f"transformers-neuronx {folder.profile.packages['transformers-neuronx']}"
