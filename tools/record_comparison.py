"""Write docs/compared.json: notebook 04's folder beside the real vLLM, as notebook 10 shows it where vLLM is not.

python tools/record_comparison.py          after notebook 04 and `make migrate-env`; a minute on quiet cores
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

from inf2lab import ModelFolder, paths
from inf2lab.files import write_file
from inf2lab.migrate import compare, migrate
from inf2lab.migrate.side_by_side import RECORD

PROMPTS = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]


def main() -> None:
    """Compare both servers on the notebook's request, and write what came."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    request = paths.logs() / "migrate" / "ask.json"
    request.parent.mkdir(exist_ok=True)
    request.write_text(json.dumps({"seq_length": 48, "text": PROMPTS}) + "\n", encoding="utf-8")
    rows = compare(migrate(ModelFolder.named("opt13b").path, to="vllm-nxdi", files=[request]))
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    shown = [asdict(row) | {"where": Path(row.where).name} for row in rows]
    found = {"date": datetime.date.today().isoformat(), "machine": machine, "rows": shown}
    write_file(paths.root() / RECORD, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    for row in rows:
        print(f"{row.prompt!r}: {row.verdict}")


if __name__ == "__main__":
    main()
