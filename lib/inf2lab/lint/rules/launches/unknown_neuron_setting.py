"""A setting of NxD Inference that its code does not know, or JSON that is none."""

import difflib

from inf2lab import catalog
from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "unknown-neuron-setting", Severity.WARNING
WHY = (
    "NxD Inference takes any name and only logs `Unexpected keyword arguments` for one that it does not know; vLLM "
    "accepts whatever --additional-config holds, as long as it is JSON."
)
CURE = "Write the name as NeuronConfig has it."
BAD = launched("""--additional-config '{"override_neuron_config": {"fuse_qkv": true}}'""")
GOOD = launched("""--additional-config '{"override_neuron_config": {"fused_qkv": true}}'""")
EXPECT = ["run.sh:3 `fuse_qkv` is no setting of NxD Inference"]
MORE = [
    Example(
        bad=launched("--additional-config '{override_neuron_config: {}}'"),
        good=GOOD,
        expect=("run.sh:3 the value of `--additional-config` is no JSON",),
    )
]


def check(folder: Folder) -> Hits:
    names = catalog.override_names()
    known = [*names.neuron, *names.experts]
    for launch in folder.launches:
        said = launch.settings()
        if said is None and launch.flag("--additional-config") is not None:
            message = "the value of `--additional-config` is no JSON"
            yield Hit(
                launch.at("--additional-config"),
                message,
                severity=Severity.ERROR,
                fix="Quote the whole value, and every key inside.",
            )
        settings = (said or {}).get("override_neuron_config")
        for name in settings if isinstance(settings, dict) else ():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1, 0.8)
                yield Hit(
                    launch.at(f'"{name}"'),
                    f"`{name}` is no setting of NxD Inference",
                    fix=f"did you mean `{close[0]}`?" if close else None,
                )
