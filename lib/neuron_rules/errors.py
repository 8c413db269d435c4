"""What the rules raise when they are asked about a name or a configuration they do not know.

NeuronRulesError
├── UnknownName       a generation, dtype, architecture or instance family that no table lists
├── IncompleteConfig  a model configuration without a dimension that the rules need
└── ImpossibleSize    a dimension that no model can have
"""

from __future__ import annotations

from collections.abc import Iterable


class NeuronRulesError(ValueError):
    """Base of everything this package raises."""


class UnknownName(NeuronRulesError):
    """`name` is not in the table of `kind`; the message lists what is."""

    def __init__(self, kind: str, name: object, accepted: Iterable[str]) -> None:
        self.kind, self.name, self.accepted = kind, name, tuple(accepted)
        super().__init__(kind, name, self.accepted)

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}: use one of {', '.join(self.accepted)}"


class IncompleteConfig(NeuronRulesError):
    """A configuration of `architecture` lacks `field`, which is read from one of `keys`."""

    def __init__(self, architecture: str, field: str, keys: Iterable[str]) -> None:
        self.architecture, self.field, self.keys = architecture, field, tuple(keys)
        super().__init__(architecture, field, self.keys)

    def __str__(self) -> str:
        keys = " or ".join(f"`{key}`" for key in self.keys)
        return f"a {self.architecture} configuration needs {keys} ({self.field}), and has neither value"


class ImpossibleSize(NeuronRulesError):
    """A configuration says `value` for `key`, and that is no size; `rule` says what one is."""

    def __init__(self, key: str, value: object, rule: str) -> None:
        super().__init__(key, value, rule)
        self.key, self.value, self.rule = key, value, rule

    def __str__(self) -> str:
        return f"`{self.key}` is {ascii(self.value)[:40]}: {self.rule}"
