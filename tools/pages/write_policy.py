#!/usr/bin/env python
"""Write deploy/policy.json, deploy/cloudformation/policy.json and docs/permissions.md from the catalog's permissions.

python tools/pages/write_policy.py, with --check it only compares
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inf2lab import catalog
from inf2lab.catalog.facts import Permission
from page_files import DOCS, ROOT, options, write_pages

DEPLOY = ROOT / "deploy"
HEAD = """\
# What the lab may do in your account

An administrator attaches [`deploy/policy.json`](../deploy/policy.json) to who runs the lab. It has each call that
`launch`, `extend`, `sweep` and `scale sagemaker` make and none that they do not; a test reads the calls out of the
code. What AWS asks for by the way stands in italics. Roles are limited to the path `/inf2lab/`, what is ended to things
with a run's tag, names to `inf2lab-`. Account and region are `*`: narrow them as you like. It was written from AWS's
documents, and nobody has run the lab with it alone yet: what AWS refuses, it names.

`iam:PutRolePolicy` with `iam:PassRole` lets its holder write a role of any rights below that path. Where that is too
much, add a permissions boundary to the two (`iam:PermissionsBoundary`), or launch for others by the CloudFormation
template.

This page is made by `tools/pages/write_policy.py` from `lib/inf2lab/catalog/permissions.json`.
"""
STACK = """\
## The stack

Who deploys [`deploy/cloudformation/inf2lab.yaml`](../deploy/cloudformation/README.md) needs
[`deploy/cloudformation/policy.json`](../deploy/cloudformation/policy.json) as well.
"""


def document(statements: Iterable[Permission]) -> dict[str, Any]:
    """Return the policy that these statements make."""
    return {"Version": "2012-10-17", "Statement": [_statement(one) for one in statements]}


def _statement(one: Permission) -> dict[str, Any]:
    actions = sorted({*one.actions, *one.implied})
    made = {"Sid": one.sid, "Effect": "Allow", "Action": _short(actions), "Resource": _short(one.resources)}
    return made | ({"Condition": dict(one.condition)} if one.condition else {})


def _short(names: Sequence[str]) -> str | list[str]:
    """Return one name alone, or the list: a policy has 6144 characters at most."""
    return names[0] if len(names) == 1 else list(names)


def pages() -> dict[Path, str]:
    """Return each page's text by its path."""
    made = catalog.permissions()
    text = "\n".join((HEAD, *_table(made.statements), STACK, *_table(made.stack)))
    return {
        DEPLOY / "policy.json": _as_json(made.statements),
        DEPLOY / "cloudformation" / "policy.json": _as_json(made.stack),
        DOCS / "permissions.md": f"{text}\n",
    }


def _as_json(statements: Mapping[str, Permission]) -> str:
    return json.dumps(document(statements.values()), indent=2) + "\n"


def _table(statements: Mapping[str, Permission]) -> list[str]:
    lines = ["| statement | why | calls | on |", "|---|---|---|---|"]
    for one in statements.values():
        calls = ", ".join([*(f"`{name}`" for name in one.actions), *(f"*{name}*" for name in one.implied)])
        by = "" if one.by == "inf2lab" else f" (by {one.by})"
        only = f"; only if `{json.dumps(dict(one.condition))}`" if one.condition else ""
        on = ", ".join(f"`{name}`" for name in one.resources)
        lines.append(f"| {one.sid} | {one.why}{by} | {calls} | {on}{only} |")
    return [*lines, ""]


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or compare them."""
    chosen = options(__doc__).parse_args(arguments)
    return write_pages(pages(), check=chosen.check)


if __name__ == "__main__":
    sys.exit(main())
