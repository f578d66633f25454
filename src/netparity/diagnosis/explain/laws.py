"""How laws of initial values are said, and written in NumPy, torch and Keras."""

from __future__ import annotations

from typing import Final

#: In a formula, in NumPy, in Keras, in torch (where torch has a line of its own).
LAWS: Final = {
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
    "glorot_normal": (
        "N(0, 2/(fan_in+fan_out)) cut at 2σ",
        "scipy.stats.truncnorm.rvs(-2, 2, size=shape) * np.sqrt(2 / (fan_in + fan_out)) / 0.8796",
        '"glorot_normal"',
    ),
    "he_uniform": (
        "U(±√(6/fan_in))",
        "rng.uniform(-1, 1, shape) * np.sqrt(6 / fan_in)",
        '"he_uniform"',
    ),
    "he_normal": (
        "N(0, 2/fan_in) cut at 2σ",
        "scipy.stats.truncnorm.rvs(-2, 2, size=shape) * np.sqrt(2 / fan_in) / 0.8796",
        '"he_normal"',
    ),
    "torch_kaiming_normal": (
        "N(0, 2/fan_in)",
        "rng.standard_normal(shape) * np.sqrt(2 / fan_in)",
        'keras.initializers.VarianceScaling(2, "fan_in", "untruncated_normal")',
    ),
    "torch_xavier_normal": (
        "N(0, 2/(fan_in+fan_out))",
        "rng.standard_normal(shape) * np.sqrt(2 / (fan_in + fan_out))",
        'keras.initializers.VarianceScaling(1, "fan_avg", "untruncated_normal")',
    ),
    "lecun_normal": (
        "N(0, 1/fan_in) cut at 2σ",
        "scipy.stats.truncnorm.rvs(-2, 2, size=shape) / np.sqrt(fan_in) / 0.8796",
        '"lecun_normal"',
    ),
    "lecun_uniform": (
        "U(±√(3/fan_in))",
        "rng.uniform(-1, 1, shape) * np.sqrt(3 / fan_in)",
        '"lecun_uniform"',
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
