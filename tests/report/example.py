"""A report made by hand, with something of everything in it."""

from __future__ import annotations

import math

from netparity.report.model import (
    Cause,
    Curves,
    Divergence,
    Evidence,
    Fix,
    Gap,
    Headline,
    Innocent,
    Latent,
    Measured,
    Picture,
    Report,
    SideSummary,
    StageResult,
    Unexplained,
)  # fmt: skip


def make() -> Report:
    """Divergent, two causes, a latent one, an innocent one and something unexplained."""
    decay = [math.exp(-step / 12) for step in range(21)]
    return Report(
        version="0.1.0",
        verdict="divergent",
        explained=False,
        left=SideSummary("scratch.py:build", "numpy", "2.4.0"),
        right=SideSummary("torch_side.py:build", "torch", "2.13.0"),
        gap=Gap("predictions after 20 steps", 0.31, 2.1e-16, 3e-15, 20, None),
        first_divergence=Divergence("loss", "mean [squared] error", None, 0.5, 2e-15),
        stages=(
            StageResult("structure", "equal"),
            StageResult("init", "equal", (), 0.0, 0.0),
            StageResult("forward", "equal", ("dense2",), 1.1e-16, 2e-15),
            StageResult("loss", "different", ("loss",), 0.5, 2e-15),
            StageResult("gradient", "different", ("dense1.weight",), math.inf, 2e-15),
            StageResult("update", "not-checked", reason="left has no `update`"),
            StageResult("reporting", "different", ("loss",), math.nan, 1e-15),
        ),
        causes=(
            Cause(
                id="mse-reduction", stage="loss", where=("loss",),
                left="½Σ(ŷ−y)² over the batch", right="mean of (ŷ−y)²",
                statement="Left sums the squared error and halves it; right takes the mean.",
                evidence=(Evidence("loss_R / loss_L", 0.5000000000000001, 0.5, 1.1e-16),),
                fix=Fix("loss = np.mean((p - y) ** 2)", 'MSELoss(reduction="sum")'),
                verdict="root-cause", verified_on="live", residual=1e-16, noise_floor=2e-15,
                effect=0.83, also=("learning-rate-value",), relation="compensates",
                related_to=("init-law",),
            ),
            Cause(
                id="penalty-in-reported-loss", stage="reporting", where=("loss", "val_loss"),
                left="without penalty", right="with penalty",
                statement="Right prints its loss with the penalty.",
                evidence=(), fix=Fix(None, "print(data_loss)"),
                verdict="contributes", verified_on="twin", residual=0.0, noise_floor=1e-15,
                accepted=True,
            ),
        ),
        latent=(
            Latent("grad-clip-kind", "update", ("all",), "by norm", "by value", "They differ.",
                   "inactive on this data"),
        ),
        innocent=(Innocent("learning-rate-value", "both use 0.3"),),
        unexplained=(Unexplained("gradient", "dense1.weight", math.inf, 2e-15),),
        environment={"python": "3.11", "threads": 2},
        advice=("in torch_side.py change MSELoss() to MSELoss(reduction=\"sum\")",
                "netparity compare scratch.py:build torch_side.py:build --data xor",
                "it will then say: parity"),
        notes=("validation was not compared",),
        title="xor: NumPy <against> PyTorch",
        headlines=(Headline("test accuracy", "97.1 %", "91.4 %", "96.7 %"),),
        picture=Picture(
            curves=Curves(
                "training loss", tuple(decay), tuple(value**0.5 for value in decay), tuple(decay)
            ),
            measured=(
                Measured("forward", "dense1", 1e-16, 2e-15),
                Measured("forward", "dense2", 0.0, 2e-15),
                Measured("loss", "loss", 0.5, 2e-15),
                Measured("gradient", "dense1.weight", math.inf, 2e-15),
                Measured("gradient", "dense1.bias", math.nan, 2e-15),
                Measured("gradient", "dense2.weight", 1e-3, 2e-15),
            ),
        ),
    )  # fmt: skip
