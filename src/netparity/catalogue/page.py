"""The catalogue as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from netparity.catalogue.entry import Convention

STAGE_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "structure": "Structure",
        "init": "Initial values",
        "data": "Data",
        "forward": "Forward pass",
        "loss": "Loss",
        "regularization": "Regularization",
        "gradient": "Gradient",
        "update": "Update",
        "reporting": "Reporting",
        "rng": "Randomness and rounding",
    }
)

FRAMEWORK_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "torch": "PyTorch",
        "keras": "Keras",
        "tensorflow": "TensorFlow",
        "jax": "JAX, Flax, optax",
        "sklearn": "scikit-learn",
        "numpy": "NumPy programs",
    }
)

_INTRODUCTION = """\
# The catalogue of conventions

Every choice on which implementations of one network differ, and every mistake that
netparity knows by name: its cause id, what differs, what each framework does, how it shows
in numbers, and the line that changes it. `{value}` in a line stands for the value to set.
`netparity explain ID` prints one entry.

Defaults were read on torch 2.13, Keras 3.15, TensorFlow 2.21, JAX 0.10, Flax 0.12,
optax 0.2.8 and scikit-learn 1.9; where another release differs, the entry says so.

This page is written from the package: `python -m netparity.catalogue > docs/catalogue.md`.
"""


def _for_whom(key: str) -> str:
    """The framework of a line of code, and the switch of ``netparity.nn`` that it sets."""
    framework, _, switch = key.partition(":")
    return FRAMEWORK_TITLES[framework] + (f", {switch}" if switch else "")


def render_entry(convention: Convention) -> str:
    """One entry as Markdown, under a heading of the third level.

    Args:
        convention: the entry.

    Returns:
        Markdown that ends with a line feed.

    Example:
        >>> print(render_entry(Convention(id="a", stage="init", title="b", statement="C.")))
        ### `a`
        **b**
        C.
    """
    title = f"**{convention.title}**" + (" (a mistake)" if convention.bug else "")
    parts = [f"### `{convention.id}`", title, convention.statement]
    if convention.defaults:
        parts.append(
            "\n".join(
                f"- {FRAMEWORK_TITLES[framework]}: {text}"
                for framework, text in convention.defaults.items()
            )
        )
    if convention.signature:
        parts.append(f"Shows as: {convention.signature}.")
    if convention.imitate is not None:
        parts.append(f"In `netparity.nn`: `{convention.imitate}`")
    elif convention.left_out:
        parts.append(f"No switch of `netparity.nn`: {convention.left_out}.")
    if convention.fix:
        lines = "\n".join(f"# {_for_whom(key)}\n{line}" for key, line in convention.fix.items())
        parts.append(f"```python\n{lines}\n```")
    if convention.reference:
        parts.append(f"Source: {convention.reference}.")
    return "\n\n".join(parts) + "\n"


def render(conventions: Iterable[Convention]) -> str:
    """All entries as one page, with a list of ids for each stage.

    Args:
        conventions: the entries, in the order in which they are to stand.

    Returns:
        Markdown that ends with one line feed.

    Example:
        >>> entry = Convention(id="a", stage="init", title="b", statement="C.")
        >>> "## Initial values" in render([entry])
        True
    """
    entries = tuple(conventions)
    parts = [_INTRODUCTION]
    for stage, title in STAGE_TITLES.items():
        of_stage = [entry for entry in entries if entry.stage == stage]
        if not of_stage:
            continue
        index = "\n".join(f"- [`{entry.id}`](#{entry.id}): {entry.title}" for entry in of_stage)
        parts.append(f"## {title}\n\n{index}\n")
        parts.extend(render_entry(entry) for entry in of_stage)
    return "\n".join(parts)
