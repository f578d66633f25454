"""The catalogue is complete, well formed, and true of the installed frameworks."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netparity.nn
from netparity.catalogue import STAGE_TITLES, Convention, all_conventions, find, page
from netparity.errors import InputError

FRAMEWORKS = {"torch", "keras", "tensorflow", "jax", "sklearn", "numpy"}
STAGES = [
    "structure",
    "init",
    "data",
    "forward",
    "loss",
    "regularization",
    "gradient",
    "update",
    "reporting",
    "rng",
]
PAGE = Path(__file__).parents[2] / "docs" / "catalogue.md"
# Cause of a story -> the frameworks whose side of that story can change it.
STORY_FIXES = {
    "l2-half-factor": ("numpy", "keras"),
    "layer-gradient-misplaced": ("numpy",),
    "dropout-rate-vs-keep": ("tensorflow", "keras"),
    "train-metrics-dropout-on": ("tensorflow", "keras"),
    "train-loss-running-average": ("tensorflow", "keras"),
    "same-seed-different-stream": ("tensorflow", "keras"),
    "init-value": ("tensorflow", "keras", "numpy", "torch"),
    "rng-stream-position": ("keras",),
    "seed-scope": ("keras",),
    "reported-quantity": ("numpy", "torch"),
    "init-law": ("numpy", "torch"),
    "bias-absent": ("numpy", "torch"),
    "mse-reduction": ("numpy", "torch"),
    "multiclass-hinge-margin": ("numpy", "torch"),
    "weight-decay-bias": ("numpy", "torch"),
    "penalty-in-reported-loss": ("numpy", "torch"),
    "sampling-with-replacement": ("numpy", "torch"),
    "best-parameters-aliased": ("numpy", "torch"),
    "dropout-gradient-missing": ("numpy",),
}

every_entry = pytest.mark.parametrize("entry", all_conventions(), ids=lambda entry: entry.id)


def test_ids_are_unique() -> None:
    ids = [entry.id for entry in all_conventions()]
    assert len(ids) == len(set(ids))


def test_the_table_is_covered() -> None:
    # 171 conventions of frameworks and 48 other causes.
    assert len(all_conventions()) == 219


def test_entries_stand_in_the_order_of_the_stages() -> None:
    places = [STAGES.index(entry.stage) for entry in all_conventions()]
    assert places == sorted(places)
    assert list(STAGE_TITLES) == STAGES


@every_entry
def test_entry_is_well_formed(entry: Convention) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.id)
    assert entry.title.strip()
    assert entry.statement.endswith((".", ")"))
    assert entry.signature
    assert not entry.signature.endswith(".")
    assert entry.reference
    assert not entry.reference.endswith(".")
    assert set(entry.defaults) <= FRAMEWORKS
    assert entry.fix
    assert {key.partition(":")[0] for key in entry.fix} <= FRAMEWORKS
    own = {switch.partition(".")[2] for switch in entry.switches}
    assert {k.partition(":")[2].partition("=")[0] for k in entry.fix if ":" in k} <= own
    for text in (*entry.defaults.values(), *entry.fix.values()):
        assert text.strip() == text != ""


@every_entry
def test_fix_takes_a_value_and_is_python(entry: Convention) -> None:
    for line in entry.fix.values():
        names = {field for _, field, _, _ in string.Formatter().parse(line) if field is not None}
        assert names <= {"value"}
        ast.parse(line.format(value="value"))


@pytest.mark.parametrize("id", STORY_FIXES)
def test_causes_of_the_stories_have_a_fix_on_their_sides(id: str) -> None:
    assert set(STORY_FIXES[id]) <= set(find(id).fix)


@pytest.mark.parametrize(
    "entry", [entry for entry in all_conventions() if entry.imitate], ids=lambda entry: entry.id
)
def test_imitation_is_a_switch_of_the_reference_network(entry: Convention) -> None:
    names = {name: getattr(netparity.nn, name) for name in netparity.nn.__all__}
    assert entry.imitate is not None
    # Switches check their words: a name or a word that is not there raises.
    made = eval(entry.imitate, {"np": np, "partial": functools.partial, **names})
    if isinstance(made, functools.partial):
        assert made.func in names.values()
        assert set(made.keywords) <= set(inspect.signature(made.func).parameters)
    else:
        assert type(made).__module__.startswith("netparity.nn")


@every_entry
def test_switches_are_fields_of_the_reference_network(entry: Convention) -> None:
    for switch in entry.switches:
        piece, field = switch.split(".")
        assert field in {f.name for f in dataclasses.fields(getattr(netparity.nn, piece))}


SWITCHED = [(entry, switch) for entry in all_conventions() for switch in entry.switches]


@pytest.mark.parametrize(("entry", "switch"), SWITCHED, ids=lambda v: getattr(v, "id", v))
def test_no_word_of_the_reference_network_stands_in_a_line_for_another_switch(
    entry: Convention, switch: str
) -> None:
    name = switch.partition(".")[2]
    for framework in sorted(FRAMEWORKS):
        line = entry.line(framework, name, "no-such-word")
        # Lines for that switch alone may quote its words (paddings, modes).
        assert (
            line is None
            or "{value}" not in line
            or {f"{framework}:{name}", f"numpy:{name}"} & set(entry.fix)
        )


def test_lines_are_in_the_words_of_the_framework() -> None:
    momentum = find("bn-momentum")
    torch, keras = (momentum.line(f, "momentum", 0.99) for f in ("torch", "keras"))
    assert torch is not None
    assert "momentum=1 - {value}" in torch
    assert keras is not None
    assert "momentum={value}" in keras
    assert find("beta-value").line("keras", "beta2", 0.99) == (
        "optimizer.beta_2 = {value}  # or where it is made"
    )
    aligned = find("upsample-align-corners").line("torch", "grid", "align-corners")
    assert aligned is not None
    assert aligned.endswith("align_corners=True)")


def test_no_two_entries_name_the_same_difference() -> None:
    known = [s for entry in all_conventions() if entry.when is None for s in entry.switches]
    assert sorted(known) == sorted(set(known))


@pytest.mark.parametrize("stage", STAGES[: STAGES.index("reporting")])
def test_every_convention_is_a_switch_or_says_why_not(stage: str) -> None:
    for entry in all_conventions():
        if entry.stage == stage:
            assert bool(entry.imitate) != bool(entry.left_out), entry.id


def test_find_returns_the_entry() -> None:
    assert find("bias-absent").id == "bias-absent"


def test_find_names_the_nearest_id() -> None:
    with pytest.raises(InputError, match="l2-halffactor") as caught:
        find("l2-halffactor")
    assert "l2-half-factor" in (caught.value.hint or "")


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def _claimed(id: str, framework: str, setting: str) -> float:
    """The number that an entry claims, read from ``setting=number`` in its text."""
    text = find(id).defaults[framework]
    found = re.search(rf"\b{setting}=([0-9][0-9.e+-]*[0-9]|[0-9])", text)
    assert found is not None, f"{id}: no {setting}= in {text!r}"
    return float(found.group(1))


def _torch(path: str, setting: str) -> Callable[[], float]:
    def read() -> float:
        return float(inspect.signature(_resolve("torch", path)).parameters[setting].default)

    return read


def _keras(path: str, setting: str) -> Callable[[], float]:
    def read() -> float:
        return float(inspect.signature(_resolve("keras", path)).parameters[setting].default)

    return read


def _sklearn(path: str, setting: str) -> Callable[[], float]:
    def read() -> float:
        made = _resolve("sklearn.neural_network", path)()
        return float(made.get_params()[setting])

    return read


def _resolve(module: str, path: str) -> Any:
    value: Any = pytest.importorskip(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value


READERS: dict[str, Callable[[str, str], Callable[[], float]]] = {
    "torch": _torch,
    "keras": _keras,
    "sklearn": _sklearn,
}

DEFAULTS = [
    ("adam-defaults", "torch", "lr", "optim.Adam"),
    ("adam-defaults", "torch", "eps", "optim.Adam"),
    ("adam-defaults", "keras", "learning_rate", "optimizers.Adam"),
    ("adam-defaults", "keras", "epsilon", "optimizers.Adam"),
    ("adam-defaults", "sklearn", "learning_rate_init", "MLPClassifier"),
    ("adam-defaults", "sklearn", "epsilon", "MLPClassifier"),
    ("sgd-defaults", "torch", "lr", "optim.SGD"),
    ("sgd-defaults", "keras", "learning_rate", "optimizers.SGD"),
    ("sgd-nesterov-form", "sklearn", "momentum", "MLPClassifier"),
    ("rmsprop-epsilon-placement", "torch", "alpha", "optim.RMSprop"),
    ("rmsprop-epsilon-placement", "torch", "eps", "optim.RMSprop"),
    ("rmsprop-epsilon-placement", "torch", "lr", "optim.RMSprop"),
    ("rmsprop-epsilon-placement", "keras", "rho", "optimizers.RMSprop"),
    ("rmsprop-epsilon-placement", "keras", "epsilon", "optimizers.RMSprop"),
    ("rmsprop-epsilon-placement", "keras", "learning_rate", "optimizers.RMSprop"),
    ("adagrad-accumulator-epsilon", "torch", "eps", "optim.Adagrad"),
    ("adagrad-accumulator-epsilon", "torch", "lr", "optim.Adagrad"),
    ("adagrad-accumulator-epsilon", "keras", "epsilon", "optimizers.Adagrad"),
    ("adadelta-form", "torch", "lr", "optim.Adadelta"),
    ("adadelta-form", "torch", "rho", "optim.Adadelta"),
    ("adadelta-form", "keras", "rho", "optimizers.Adadelta"),
    ("adadelta-form", "keras", "learning_rate", "optimizers.Adadelta"),
    ("adamax-epsilon", "torch", "lr", "optim.Adamax"),
    ("adamax-epsilon", "keras", "learning_rate", "optimizers.Adamax"),
    ("nadam-form", "torch", "momentum_decay", "optim.NAdam"),
    ("nadam-form", "torch", "lr", "optim.NAdam"),
    ("nadam-form", "keras", "learning_rate", "optimizers.Nadam"),
    ("adamw-lr-scaling", "torch", "weight_decay", "optim.AdamW"),
    ("adamw-lr-scaling", "keras", "weight_decay", "optimizers.AdamW"),
    ("muon-defaults", "torch", "weight_decay", "optim.Muon"),
    ("muon-defaults", "keras", "weight_decay", "optimizers.Muon"),
    ("other-optimizer-defaults", "torch", "max_iter", "optim.LBFGS"),
    ("other-optimizer-defaults", "keras", "initial_accumulator_value", "optimizers.Ftrl"),
    ("ema-default", "keras", "ema_momentum", "optimizers.SGD"),
    ("bn-epsilon", "torch", "eps", "nn.BatchNorm2d"),
    ("bn-epsilon", "keras", "epsilon", "layers.BatchNormalization"),
    ("bn-momentum", "torch", "momentum", "nn.BatchNorm2d"),
    ("bn-momentum", "keras", "momentum", "layers.BatchNormalization"),
    ("ln-epsilon", "torch", "eps", "nn.LayerNorm"),
    ("ln-epsilon", "keras", "epsilon", "layers.LayerNormalization"),
    ("groupnorm-epsilon", "torch", "eps", "nn.GroupNorm"),
    ("groupnorm-epsilon", "keras", "epsilon", "layers.GroupNormalization"),
    ("rmsnorm-epsilon", "keras", "epsilon", "layers.RMSNormalization"),
    ("leaky-relu-slope", "torch", "negative_slope", "nn.LeakyReLU"),
    ("leaky-relu-slope", "keras", "negative_slope", "layers.LeakyReLU"),
    ("elu-alpha", "torch", "alpha", "nn.ELU"),
    ("elu-alpha", "keras", "alpha", "layers.ELU"),
    ("softplus-threshold", "torch", "threshold", "nn.Softplus"),
    ("init-formulas", "keras", "stddev", "initializers.RandomNormal"),
    ("ignore-index", "torch", "ignore_index", "nn.CrossEntropyLoss"),
    ("gaussian-nll-constant", "torch", "eps", "nn.GaussianNLLLoss"),
    ("focal-default-alpha", "keras", "gamma", "losses.BinaryFocalCrossentropy"),
    ("reduce-lr-on-plateau", "torch", "patience", "optim.lr_scheduler.ReduceLROnPlateau"),
    ("reduce-lr-on-plateau", "torch", "threshold", "optim.lr_scheduler.ReduceLROnPlateau"),
    ("reduce-lr-on-plateau", "keras", "min_delta", "callbacks.ReduceLROnPlateau"),
    ("lr-polynomial", "keras", "power", "optimizers.schedules.PolynomialDecay"),
    ("early-stopping-restore", "keras", "patience", "callbacks.EarlyStopping"),
    ("early-stopping-restore", "sklearn", "n_iter_no_change", "MLPClassifier"),
    ("early-stopping-restore", "sklearn", "tol", "MLPClassifier"),
]


@pytest.mark.parametrize(
    ("id", "framework", "setting", "path"),
    DEFAULTS,
    ids=[f"{id}-{framework}-{setting}" for id, framework, setting, _ in DEFAULTS],
)
def test_claimed_default_is_the_installed_one(
    id: str, framework: str, setting: str, path: str
) -> None:
    if id == "ignore-index":
        claimed = float(find(id).defaults[framework].split("ignore_index=")[1].split(";")[0])
    else:
        claimed = _claimed(id, framework, setting)
    assert claimed == READERS[framework](path, setting)()


ROOTS = {
    "torch": {
        "torch": ("torch",),
        "nn": ("torch.nn",),
        "F": ("torch.nn.functional",),
        "": ("torch.optim.lr_scheduler", "torch.utils.data", "torch.optim.swa_utils"),
    },
    "keras": {"keras": ("keras",), "layers": ("keras.layers",), "tf": ("tensorflow",), "": ()},
    "tensorflow": {"tf": ("tensorflow",), "": ()},
    "sklearn": {"": ("sklearn.neural_network",)},
    "numpy": {"np": ("numpy",), "": ()},
    "jax": {
        "jax": ("jax",),
        "jnp": ("jax.numpy",),
        "optax": ("optax",),
        "nn": ("flax.linen",),
        "": (),
    },
}


def _chain(node: ast.expr) -> list[str] | None:
    """``a.b.c`` as its names, or nothing where it does not start at a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [*reversed([*names, node.id])] if isinstance(node, ast.Name) else None


def _calls(framework: str) -> Iterator[Any]:
    for entry in all_conventions():
        for key, line in entry.fix.items():
            if key.partition(":")[0] != framework:
                continue
            tree = ast.parse(line.format(value="value"))
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            for call in calls:
                chain = _chain(call.func)
                if chain is not None:
                    yield entry.id, chain, {word.arg for word in call.keywords if word.arg}


@pytest.mark.parametrize("framework", sorted(ROOTS))
def test_calls_in_fixes_exist_and_take_these_arguments(framework: str) -> None:
    missing: list[str] = []
    checked = 0
    for id, chain, keywords in _calls(framework):
        roots = ROOTS[framework]
        if chain[0] in roots and len(chain) > 1:
            modules, path = roots[chain[0]], chain[1:]
        elif len(chain) == 1 and chain[0][0].isupper():
            modules, path = roots[""], chain
        else:
            continue
        found = None
        for module in modules:
            target: Any = pytest.importorskip(module)
            for name in path:
                target = getattr(target, name, None)
            found = target if target is not None else found
        if modules and found is None:
            missing.append(f"{id}: {'.'.join(chain)}")
            continue
        checked += 1
        try:
            parameters = inspect.signature(found).parameters
        except (TypeError, ValueError):
            # A function written in C has no signature to read.
            continue
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        if not open_ended and not keywords <= set(parameters):
            missing.append(f"{id}: {'.'.join(chain)} has no {keywords - set(parameters)}")
    assert missing == []
    assert checked > 0
