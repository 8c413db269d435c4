"""The settings of NxD Inference stand below a key that the plugin does not read."""

from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "override-key-with-hyphens", Severity.ERROR
WHY = (
    "The plugin reads `override_neuron_config` of --additional-config. With hyphens, as a page of its guide has it, it "
    "logs `No neuron overrides` and serves with its defaults (read in 0.2.0 of the plugin; later ones are not public)."
)
CURE = "Write override_neuron_config, with underscores."
BAD = launched("""--additional-config '{"override-neuron-config": {"fused_qkv": true}}'""")
GOOD = launched("""--additional-config '{"override_neuron_config": {"fused_qkv": true}}'""")
EXPECT = ["run.sh:3 `override-neuron-config` is a key that the plugin does not read"]
_KEY = "override-neuron-config"


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        if _KEY in (launch.settings() or {}):
            yield Hit(launch.at(f'"{_KEY}"'), f"`{_KEY}` is a key that the plugin does not read")
