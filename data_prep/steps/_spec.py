"""How steps are written down: NAME[:key=value[,key=value...]]; the options are the fields of the step's class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from data_prep import registry
from data_prep import steps as _package
from data_prep.errors import UserError

Options = Mapping[str, Any]


def names() -> list[str]:
    """Names of all steps, sorted."""
    return registry.names(_package)


def summary(name: str) -> str:
    """First line of what the step's module says of itself."""
    return (registry.module(_package, name, "step").__doc__ or "").strip().splitlines()[0]


def kind(name: str) -> Any:
    """The class of a step. Raises UnknownNameError, with the nearest names."""
    return registry.module(_package, name, "step").STEP


def parse(spec: str) -> tuple[str, dict[str, str]]:
    """The name and the options of a specification such as "script:share=0.5".

    Raises:
        UserError: it is none.
    """
    name, colon, written = (part.strip() for part in spec.partition(":"))
    pairs = [pair.partition("=") for pair in written.split(",")] if written else []
    if not name or bool(colon) != bool(written) or not all(key.strip() and sign for key, sign, _ in pairs):
        raise UserError(f"{spec!r} is no step: expected NAME or NAME:key=value,key=value, such as script:share=0.5.")
    options = {key.strip(): value.strip() for key, _, value in pairs}
    if len(options) < len(pairs):
        raise UserError(f"The step {name} was given an option twice in {spec!r}.")
    return name, options


def load(name: str, options: Options) -> Any:
    """A step with options as text or as values.

    Raises:
        UnknownNameError: there is no such step; the message suggests the nearest names.
        UserError: options or values it does not have; the message lists those it has.
    """
    made = kind(name)
    listed = ", ".join(f"{f.name}={_text(f.default)}" for f in fields(made))
    offered = f"Its options, with defaults: {listed}." if listed else "It has none."
    if unknown := sorted(set(options) - {f.name for f in fields(made)}):
        raise UserError(f"The step {name} has no option {', '.join(map(repr, unknown))}. {offered}")
    try:
        return TypeAdapter(made).validate_python(dict(options))
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(f"The step {name}: {mistakes}. {offered}") from error


def values(step: Any) -> dict[str, Any]:
    """A step's options as values, defaults included."""
    return {f.name: getattr(step, f.name) for f in fields(step)}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
