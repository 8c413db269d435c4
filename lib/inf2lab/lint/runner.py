"""Runs every rule on a folder, and applies the safe fixes."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from inf2lab import catalog
from inf2lab.errors import FolderError
from inf2lab.files import write_file
from inf2lab.folder import FILE_NAME, Aim, Edit, parse_properties
from inf2lab.lint.finding import Finding, Hit, Rule, Severity
from inf2lab.lint.registry import RULES
from inf2lab.lint.target import NO_FOLDER, Folder, Target, read_folder, read_launches

_ALLOW = re.compile(r"[#!]\s*lint:\s*allow\s+(.+)", re.IGNORECASE)
_ROUNDS = 8  # a fix can uncover another; real files need two
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_ORDER = list(Severity)
LAUNCHES = "W"  # codes of what is judged without a model folder
REMOVED = "N001"  # the one code without a rule file: there are no facts to judge such a folder by
REMOVED_NAME = "release-without-neuron"


@dataclass(frozen=True)
class Report:
    """What the linter found in one folder, worst first on each line; `fixed` counts edits that --fix made."""

    folder: Path
    profile: str
    instance: str
    findings: tuple[Finding, ...]
    fixed: int = 0

    def count(self, severity: Severity) -> int:
        """How many findings have that severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.count(Severity.ERROR)


def lint(
    folder: Path | str, settings: Aim | None = None, *, also: Iterable[Path | str] = (), fix: bool = False
) -> Report:
    """Return what is wrong with a model folder under the profile and instance of `settings`.

    `also` names scripts, request bodies (.json) and a config.properties that lie elsewhere. `fix` applies the safe
    fixes first. Raises FolderError if the folder cannot be read, SettingsError for an unknown profile or instance.
    """
    path, aim = Path(folder), settings or Target()
    extra = [Path(file) for file in also]
    if catalog.neuron_removed(aim.profile):
        catalog.instance(aim.instance)
        return Report(path, aim.profile, aim.instance, (_removed(path, aim.profile),))
    fixed = _fix(path, aim, extra) if fix else 0
    findings = _findings(read_folder(path, aim, extra))
    return Report(path, aim.profile, aim.instance, findings, fixed)


def lint_paths(paths: Iterable[Path | str], settings: Aim | None = None, *, fix: bool = False) -> tuple[Report, ...]:
    """Lint every folder that `paths` names, or that holds a serving.properties or model.py they name.

    Other files (scripts, request bodies, a config.properties) are judged together with each folder; what starts a
    server that came after DJLServing needs none. Raises as `lint`.
    """
    folders: dict[Path, None] = {}
    also: list[Path] = []
    launched: list[Report] = []
    for path in map(Path, paths):
        is_file = os.path.isfile(path)
        if os.path.isdir(path) and (found := _launched(path, settings)):
            launched.append(found)
        elif is_file and path.name not in (FILE_NAME, "model.py"):
            also.append(path)
        else:
            folders[path.parent if is_file else path] = None
    if not folders:
        launched += [found for path in also if (found := _launched(path, settings))]
        if not launched:
            raise FolderError(", ".join(map(str, also)) or ".", "name a model folder to judge it with")
    return (*launched, *(lint(folder, settings, also=also, fix=fix) for folder in folders))


def _launched(path: Path, settings: Aim | None) -> Report | None:
    """The report on files that start a server of another kind: one of them, or those of a folder that is no model's."""
    aim, whole = settings or Target(), os.path.isdir(path)
    try:
        names = set(os.listdir(path)) if whole else {path.name}
    except OSError:
        return None  # which is said where a model folder is looked for
    where = path if whole else path.parent
    if names & {FILE_NAME, "model.py", f"{path.resolve().name}.py"}:
        return None
    found = read_launches([where / name for name in sorted(names)], aim)
    return Report(where, aim.profile, aim.instance, _findings(found)) if found else None


def check(folder: Folder, code: str) -> tuple[Finding, ...]:
    """Return what one rule finds, in the order of lines."""
    return tuple(sorted(_found(folder, code), key=_place))


def _found(folder: Folder, code: str) -> Iterator[Finding]:
    rule = RULES[code]
    return (_finding(code, rule, hit) for hit in rule.check(folder))


def _findings(folder: Folder) -> tuple[Finding, ...]:
    allowed = _allowed(folder)
    codes = [c for c, rule in RULES.items() if not allowed & {c.lower(), rule.NAME}]
    if not folder.name:  # launch files alone: there is no model folder to judge
        codes = [code for code in codes if code.startswith(LAUNCHES)]
    found = dict.fromkeys(f for started in folder.as_started() for code in codes for f in _found(started, code))
    return tuple(sorted(found, key=_place))


def _place(finding: Finding) -> tuple[bool, str, int, int, str]:
    return (finding.file != FILE_NAME, finding.file, finding.line, _ORDER.index(finding.severity), finding.rule)


def _finding(code: str, rule: Rule, hit: Hit) -> Finding:
    file, line = (FILE_NAME, hit.at) if isinstance(hit.at, int) else (hit.at.file, hit.at.line)
    return Finding(
        file=file,
        line=line,
        rule=code,
        name=rule.NAME,
        severity=hit.severity or rule.SEVERITY,
        message=_clean(hit.message),
        fix=_clean(hit.fix or rule.CURE),
        edit=hit.edit if file == FILE_NAME else None,  # only the folder's own file is mended
    )


def _clean(text: str) -> str:
    """The text on one line, in characters that every terminal and encoding can take."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _allowed(folder: Folder) -> set[str]:
    """Codes and names that a comment in serving.properties switches off: `# lint: allow duplicate-key`."""
    allowed: set[str] = set()
    for _, text in folder.properties.comments:
        if match := _ALLOW.match(text):
            allowed.update(re.findall(r"[\w-]+", match[1].lower()))
    return allowed


def _removed(path: Path, name: str) -> Finding:
    since = catalog.neuron_removed_in()
    message = f"profile `{name}`: DJLServing removed its Neuron code in {since}, so no folder is served on Inferentia2"
    cure = f"use one of {', '.join(catalog.profiles())}, or go on with `inf2lab migrate`"
    if not os.path.isdir(path):
        raise FolderError(path, NO_FOLDER)
    return Finding(FILE_NAME, 1, REMOVED, REMOVED_NAME, Severity.ERROR, message, cure)


def _fix(path: Path, aim: Aim, extra: list[Path]) -> int:
    """Apply the edits of all rules until there are none; return how many."""
    file, made = path / FILE_NAME, 0
    original = text = _read_text(file)
    if parse_properties(text).utf_16:
        return 0  # the lines that were judged are not those that stand there
    for _ in range(_ROUNDS):
        folder = read_folder(path, aim, extra) if text is original else _reread(path, aim, extra, text)
        edits = _disjoint(f.edit for f in _findings(folder) if f.edit and f.file == FILE_NAME)
        if not edits:
            break
        text, made = _apply(text, edits), made + len(edits)
    if text != original:
        write_file(file, text.encode("latin-1"))
    return made


def _read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("latin-1")
    except OSError:
        return ""


def _reread(path: Path, aim: Aim, extra: list[Path], text: str) -> Folder:
    return replace(read_folder(path, aim, extra), properties=parse_properties(text))


def _disjoint(edits: Iterable[Edit]) -> list[Edit]:
    chosen: list[Edit] = []
    for edit in edits:
        if all(edit.last < other.first or other.last < edit.first for other in chosen):
            chosen.append(edit)
    return sorted(chosen, key=lambda edit: -edit.first)


def _apply(text: str, edits: list[Edit]) -> str:
    lines = _LINE.findall(text)
    for edit in edits:
        old = lines[edit.first - 1 : edit.last]
        if not old:
            continue
        end = old[-1][len(old[-1].rstrip("\r\n")) :]
        # Inside the file every line needs an end; the file's own last line may have none.
        style = next((line[len(line.rstrip("\r\n")) :] for line in lines if line.rstrip("\r\n") != line), "\n")
        new = [line + style for line in edit.text]
        if new:
            new[-1] = edit.text[-1] + end
        lines[edit.first - 1 : edit.last] = new
    return "".join(lines)
