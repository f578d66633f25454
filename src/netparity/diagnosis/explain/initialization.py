"""Laws and draws of the initial values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netparity.diagnosis import initial
from netparity.diagnosis.align import Pairing
from netparity.diagnosis.candidates import Both, Candidate, start_from_left
from netparity.report.model import Evidence

#: The laws of dense layers that each framework uses by itself: (weights, biases).
DEFAULT_LAWS = {
    "torch": ("torch_linear", "torch_linear"),
    "keras": ("glorot_uniform", "zeros"),
    "sklearn": ("glorot_uniform", "glorot_uniform"),
    "jax": ("lecun_normal", "zeros"),
    "tensorflow": ("glorot_uniform", "zeros"),
}


#: How a law is said, and written in NumPy and Keras.
LAWS = {
    "torch_linear": (
        "U(±1/√fan_in)",
        "rng.uniform(-1, 1, shape) / np.sqrt(fan_in)",
        'keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")',
    ),
    "glorot_uniform": (
        "U(±√(6/(fan_in+fan_out)))",
        "rng.uniform(-1, 1, shape) * np.sqrt(6 / (fan_in + fan_out))",
        '"glorot_uniform"',
    ),
    "unit_uniform": (
        "U(0, 1)",
        "rng.uniform(0, 1, shape)",
        "keras.initializers.RandomUniform(0, 1)",
    ),
    "standard_normal": (
        "N(0, 1)",
        "rng.standard_normal(shape)",
        "keras.initializers.RandomNormal(stddev=1)",
    ),
    "zeros": ("zeros", "np.zeros(shape)", '"zeros"'),
    "ones": ("ones", "np.ones(shape)", '"ones"'),
}


def said(law: str) -> str:
    """A law in a formula, where it has a short one."""
    return LAWS[law][0] if law in LAWS else law


def written_law(law: str, framework: str) -> str:
    """A law as one writes it in a framework; by its name where that is all there is."""
    if law not in LAWS:
        return law
    _, numpy, keras = LAWS[law]
    if framework == "keras":
        return keras
    return f"torch.as_tensor({numpy})" if framework == "torch" else numpy


def initial_values(both: Both, pairing: Pairing, different: Sequence[str]) -> Iterator[Candidate]:
    """Laws where they cannot be the same, else another draw of the same law."""
    right_values = pairing.to_left(both.right.parameters)
    left_values = {n: v for n, v in both.left.parameters.items() if n in right_values}
    one, two = initial.groups(left_values), initial.groups(right_values)
    defaults = [DEFAULT_LAWS.get(k.live.framework) for k in (both.left, both.right)]
    found: dict[str, list[tuple[str, initial.Laws]]] = {}
    for key in one:
        if not any(n in different for n, *_ in one[key].arrays):
            continue
        index = 0 if key == "weights" else 1
        preferred = [d[index] for d in defaults if d is not None]
        laws = initial.laws(one[key], two[key], preferred)
        if laws.common:
            found.setdefault("init-value", []).append((key, laws))
            continue
        own = [
            d is not None and d[index] in names
            for d, names in zip(defaults, (laws.left, laws.right), strict=True)
        ]
        id = ("dense-init-default", "dense-bias-init")[index] if all(own) else "init-law"
        found.setdefault(id, []).append((key, laws))
    if len(found) > 1 and "init-value" in found and "init-law" in found:
        found["init-law"] += found.pop("init-value")
    for id, groups in found.items():
        where = tuple(n for key, _ in groups for n, *_ in one[key].arrays if n in different)
        lefts = "; ".join(f"{key} {said(laws.left_text)}" for key, laws in groups)
        rights = "; ".join(f"{key} {said(laws.right_text)}" for key, laws in groups)
        if id == "init-value":
            lefts = "; ".join(f"{key}: one draw" for key, _ in groups)
            rights = "; ".join(f"{key}: another draw" for key, _ in groups)
            statement = (
                "The initial values are other draws, of laws that can be the same ("
                + "; ".join(f"{key} {said(laws.left_text)}" for key, laws in groups)
                + ")."
            )
        else:
            statement = f"The initial values follow different laws: left {lefts}; right {rights}."
        evidence = tuple(
            Evidence(
                f"laws that the {key} leave open (support; Kolmogorov-Smirnov p > 0.001): left "
                "against right",
                ", ".join(said(n) for n in laws.left[:2]) or "none known",
                ", ".join(said(n) for n in laws.right[:2]) or "none known",
                None,
            )
            for key, laws in groups
        )
        yield Candidate(
            id,
            "init",
            where,
            lefts,
            rights,
            statement,
            evidence,
            both.fix(
                id,
                left=written_law(groups[0][1].right_text, both.left.live.framework),
                right=written_law(groups[0][1].left_text, both.right.live.framework),
            ),
            start_from_left(where),
            also=("same-seed-different-stream",)
            if id == "init-value" and both.left.live.framework != both.right.live.framework
            else (),
        )
