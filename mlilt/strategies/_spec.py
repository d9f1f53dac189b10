"""How strategies are written down: NAME[:key=value[,key=value...]] joined by `+`, and what of it goes together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from data_prep import registry
from data_prep.errors import UnknownNameError, UserError
from mlilt import strategies as _package
from mlilt.strategies import _presets
from mlilt.strategies._base import MARKS, NothingToTrain, Strategy


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a strategy."""

    name: str
    kind: str
    default: Any
    about: str


@dataclass(frozen=True, slots=True)
class Composition:
    """Several strategies on one tower, applied in an order that does not depend on how they were written down.

    Attributes:
        parts: the strategies by their names, in the order of application.
    """

    parts: tuple[tuple[str, Strategy], ...]

    @property
    def learning_rate(self) -> float:
        """The smallest of its parts' rates."""
        return min(part.learning_rate for _, part in self.parts)

    def unfreeze(self, tower: nn.Module) -> None:
        """Lets each part unfreeze what it trains; raises as they do, naming the part."""
        for name, part in self.parts:
            try:
                part.unfreeze(tower)
            except NothingToTrain as nothing:
                raise NothingToTrain(f"{nothing} (that part is {name})") from nothing


def names() -> list[str]:
    """Names of all strategies, sorted."""
    return registry.names(_package)


def summary(name: str) -> str:
    """First line of what the strategy's module says of itself."""
    return (registry.module(_package, name, "strategy").__doc__ or "").strip().splitlines()[0]


def options(name: str) -> list[Option]:
    """A strategy's options with their defaults, in order."""
    made = _class(name)
    # Annotations are strings.
    return [Option(f.name, str(f.type), f.default, f.metadata.get("about", "")) for f in fields(made)]


def load(spec: str, **given: Any) -> Strategy:
    """The strategy, or the composition of several, that a specification stands for.

    Args:
        spec: NAME[:key=value[,key=value...]], several joined by `+`, such as "layernorm+adapter-deep:reduction=8".
        given: options of a single strategy beside those in `spec`, as values.

    Raises:
        UnknownNameError: there is no such strategy; the message suggests the nearest names.
        UserError: options or values it does not have, or strategies that do not go together; says what would.
    """
    parts = _parse(spec)
    if given:
        if len(parts) > 1:
            raise UserError(f"Options of {spec!r} are written into it, behind the strategy that they are for.")
        [(name, written)] = parts.items()
        parts = {name: {**written, **_checked(name, given)}}
    made: dict[str, Strategy] = {name: _class(name)(**values) for name, values in parts.items()}
    _check_together(made)
    if len(made) == 1:
        return next(iter(made.values()))
    return Composition(tuple(sorted(made.items(), key=lambda item: (getattr(item[1], "stage", MARKS), item[0]))))


def canonical(spec: str) -> str:
    """The one spelling of equal specifications: strategies and options sorted, options left out that are defaults.

    Raises as `load`.
    """
    load(spec)
    parts = []
    for name, values in sorted(_parse(spec).items()):
        defaults = {option.name: option.default for option in options(name)}
        changed = [f"{key}={_text(value)}" for key, value in sorted(values.items()) if value != defaults[key]]
        parts.append(f"{name}:{','.join(changed)}" if changed else name)
    return "+".join(parts)


def name_of(strategy: Strategy) -> str:
    """What to call a strategy in a message."""
    if isinstance(strategy, Composition):
        return "+".join(sorted(name for name, _ in strategy.parts))
    return type(strategy).__module__.rpartition(".")[2].replace("_", "-")


def _parse(spec: str) -> dict[str, dict[str, Any]]:
    """Options as values by strategy."""
    parts: dict[str, dict[str, Any]] = {}
    for part in spec.split("+"):
        name, colon, written = (piece.strip() for piece in part.partition(":"))
        if not name or (colon and not written):
            raise UserError(
                f"{spec!r} is no strategy: expected NAME or NAME:key=value,key=value, several joined by +, such as "
                "layernorm+adapter-deep:reduction=8."
            )
        if preset := _presets.find(name):
            raise UserError(
                f"{name} is a preset: it sets the strategies of both towers (text {preset.text}, vision "
                f"{preset.vision}) and stands alone. For one tower name its strategy."
            )
        if name in parts:
            raise UserError(f"The strategy {name} stands twice in {spec!r}.")
        if name not in names():
            # A preset's name, misspelt, is not known here either.
            raise UnknownNameError("strategy", name, [*names(), *_presets.names()])
        pairs = [pair.partition("=") for pair in written.split(",")] if written else []
        keys = [key.strip() for key, _, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise UserError(f"The strategy {name} was given the option {twice!r} twice in {spec!r}.")
        parts[name] = _checked(name, {key.strip(): value.strip() for key, _, value in pairs})
    return parts


def _class(name: str) -> Any:
    return registry.module(_package, name, "strategy").STRATEGY


def _checked(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as values of their types."""
    known = {option.name: option for option in options(name)}
    listed = ", ".join(f"{option.name}={_text(option.default)}" for option in known.values())
    offered = f"Its options, with defaults: {listed}." if known else "It has none."
    if unknown := sorted(set(given) - set(known)):
        raise UserError(
            f"The strategy {name} was given options it does not have: {', '.join(map(repr, unknown))}. {offered}"
        )
    checked = {}
    for key, value in given.items():
        kind = known[key].kind
        try:
            checked[key] = _value(kind, value)
        except ValueError as error:
            wanted = {"int": "a whole number", "float": "a number", "bool": "true or false"}.get(kind, "a text")
            raise UserError(f"The option {key} of {name} must be {wanted}, not {value!r}. {offered}") from error
    try:
        _class(name)(**checked)
    except UserError as error:
        raise UserError(f"The strategy {name}: {error} {offered}") from error
    return checked


def _value(kind: str, value: Any) -> Any:
    if not isinstance(value, str):
        fits = {"int": type(value) is int, "float": type(value) in (int, float), "bool": type(value) is bool}
        if not fits.get(kind, False):
            raise ValueError(value)
        return float(value) if kind == "float" else value
    if kind == "bool":
        return {"true": True, "false": False}[value] if value in ("true", "false") else _value("int", "no")
    return {"int": int, "float": float}.get(kind, str)(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_together(made: Mapping[str, Strategy]) -> None:
    """Raises a UserError for strategies that do not compose."""
    claimed: dict[str, str] = {}
    for name, strategy in sorted(made.items()):
        if len(made) > 1 and (why := getattr(strategy, "alone", "")):
            others = ", ".join(sorted(set(made) - {name}))
            raise UserError(f"{name} cannot be composed with {others}: {name} {why}.")
        if (claim := getattr(strategy, "claims", "")) and claimed.setdefault(claim, name) != name:
            raise UserError(f"{claimed[claim]} and {name} cannot be composed: both take {claim}. Choose one of them.")
