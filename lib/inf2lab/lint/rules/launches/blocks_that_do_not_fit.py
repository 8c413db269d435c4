"""The number of blocks of the KV cache does not go with rows and longest text."""

from inf2lab import catalog
from inf2lab.folder import Launch
from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "blocks-that-do-not-fit", Severity.ERROR
WHY = (
    "Without prefix caching the plugin takes a whole text for a block, so there must be as many blocks as rows "
    "(--max-num-seqs). With it there must be enough for all rows at full length, and `pa_num_blocks` must say as many."
)
CURE = "Write --num-gpu-blocks-override as the rule asks, or --no-enable-prefix-caching and the rows."
BAD = launched("--no-enable-prefix-caching --max-num-seqs 4 --max-model-len 2048 --num-gpu-blocks-override 256")
GOOD = launched("--no-enable-prefix-caching --max-num-seqs 4 --max-model-len 2048 --num-gpu-blocks-override 4")
EXPECT = ["run.sh:3 256 blocks for 4 rows: without prefix caching a row is one block"]
_CACHED = "--max-num-seqs 4 --max-model-len 128 --block-size 32 --num-gpu-blocks-override"
MORE = [
    Example(
        bad=launched(f"{_CACHED} 12"),
        good=launched(f"{_CACHED} 16"),  # as the quick start of the image has it
        expect=("run.sh:3 12 blocks of 32 positions for 4 rows of 128: they need 16",),
    ),
    Example(
        bad=launched(f"""{_CACHED} 16 --additional-config '{{"override_neuron_config": {{"pa_num_blocks": 20}}}}'"""),
        good=launched(f"""{_CACHED} 16 --additional-config '{{"override_neuron_config": {{"pa_num_blocks": 16}}}}'"""),
        expect=("run.sh:3 16 blocks, and `pa_num_blocks` says 20",),
    ),
]
_FLAG = "--num-gpu-blocks-override"
_FORKED = catalog.successor_flags()["--device"]  # of the forks nobody has read the rule


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        plugin = launch.row and launch.row.target == "vllm-nxdi" and not _FORKED.known_in(launch.row.version)
        message = _wrong(launch) if plugin else None
        if message:
            yield Hit(launch.at(_FLAG), message)


def _wrong(launch: Launch) -> str | None:
    blocks, rows = launch.number(_FLAG), launch.number("--max-num-seqs")
    if blocks is None or rows is None:
        return None
    if launch.flag("--no-enable-prefix-caching") is not None:
        return f"{blocks} blocks for {rows} rows: without prefix caching a row is one block" if blocks != rows else None
    longest, size = launch.number("--max-model-len"), launch.number("--block-size")
    if longest and size and blocks < (needed := -(-longest // size) * rows):
        return f"{blocks} blocks of {size} positions for {rows} rows of {longest}: they need {needed}"
    said = (launch.settings() or {}).get("override_neuron_config")
    other = said.get("pa_num_blocks") if isinstance(said, dict) else None
    return f"{blocks} blocks, and `pa_num_blocks` says {other}" if other not in (None, blocks) else None
