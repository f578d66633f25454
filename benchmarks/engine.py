"""One training step of netparity.nn, side by side with its peers.

    python benchmarks/engine.py                 # all workloads, all that is installed
    python benchmarks/engine.py --json rows.json --workloads xor mlp-784

Each implementation runs in a process of its own, so that no library's threads stand in
another's way, and all take turns within one run: a while each, several rounds. Every
implementation is fed the same batches in the same order, and starts from the same parameters.
The figure is the median over the rounds of the mean time of a step.

*products* are the bare matrix products of the step, through NumPy into arrays that are there:
the floor. *temporaries* is the most memory that NumPy held more within a step than before it,
measured by tracemalloc after the first steps: what the largest allocation of a step can be.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from importlib.util import find_spec
from itertools import cycle, pairwise
from typing import Any

import numpy as np

Step = Callable[[Any, Any], object]
Shapes = list[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Workload:
    """What is trained.

    Attributes:
        title: in words.
        kind: ``"dense"``, ``"cnn"`` or ``"lstm"``.
        shape: of a batch of inputs (N, …); images are (N, 32, 32, 3).
        hidden: widths.
        outputs: classes or values.
        activation: of the dense layers.
        loss: ``"squared"`` or ``"entropy"``; sigmoid output under the first.
        optimizer: ``"sgd"`` or ``"adam"``.
        batches: how many different ones are cycled through.
        steps: how many are made between two looks at the clock.
        wanted: the issue's goal, in words.
    """

    title: str
    kind: str
    shape: tuple[int, ...]
    hidden: tuple[int, ...]
    outputs: int
    activation: str
    loss: str
    optimizer: str
    batches: int
    steps: int
    wanted: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of a dense network from input to output."""
        return (int(np.prod(self.shape[1:])), *self.hidden, self.outputs)

    def parameters(self) -> dict[str, np.ndarray]:
        """Initial values in float32, by layer: dense kernels (D, M), convolutions (3, 3, C, F)."""
        rng = np.random.default_rng(0)
        shapes: Shapes = []
        if self.kind == "dense":
            for i, (a, b) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
                shapes += [(f"dense{i}.weight", (a, b)), (f"dense{i}.bias", (b,))]
        elif self.kind == "cnn":
            channels = (self.shape[-1], *self.hidden)
            for i, (a, b) in enumerate(pairwise(channels)):
                shapes += [(f"conv{i}.weight", (3, 3, a, b)), (f"conv{i}.bias", (b,))]
            flat = (self.shape[1] // 4) * (self.shape[2] // 4) * self.hidden[-1]
            shapes += [("dense.weight", (flat, self.outputs)), ("dense.bias", (self.outputs,))]
        else:
            (units,), features = self.hidden, self.shape[-1]
            shapes = [
                ("lstm.weight", (features, 4 * units)),
                ("lstm.recurrent_weight", (units, 4 * units)),
                ("lstm.bias", (4 * units,)),
                ("dense.weight", (units, self.outputs)),
                ("dense.bias", (self.outputs,)),
            ]
        return {
            name: (
                np.zeros(shape)
                if name.endswith("bias")
                else rng.normal(0, np.sqrt(1.0 / np.prod(shape[:-1])), shape)
            ).astype(np.float32)
            for name, shape in shapes
        }

    def data(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The batches: float32 inputs, float32 values or integer classes."""
        rng = np.random.default_rng(1)
        rows = self.shape[0]
        made = []
        for _ in range(self.batches):
            x = rng.normal(size=self.shape).astype(np.float32)
            if self.loss == "squared":
                y = rng.random((rows, self.outputs)).astype(np.float32)
            else:
                y = rng.integers(0, self.outputs, rows)
            made.append((x, y))
        return made


WORKLOADS = {
    "xor": Workload(
        "XOR 2-5-1, sigmoid, MSE, SGD, batch 4",
        "dense", (4, 2), (5,), 1, "sigmoid", "squared", "sgd", 64, 2000, "no slower than JAX",
    ),
    "mlp-784-wide-batch": Workload(
        "784-30-10 sigmoid, MSE, SGD, batch 10,000",
        "dense", (10_000, 784), (30,), 10, "sigmoid", "squared", "sgd", 4, 10,
        "no slower than PyTorch",
    ),
    "mlp-784": Workload(
        "784-256×4-10 ReLU, CE, Adam, batch 100",
        "dense", (100, 784), (256,) * 4, 10, "relu", "entropy", "adam", 64, 60,
        "≤ 1.25 × products",
    ),
    "mlp-3072": Workload(
        "3072-100×4-10 ReLU, CE, Adam, batch 128",
        "dense", (128, 3072), (100,) * 4, 10, "relu", "entropy", "adam", 64, 60,
        "≤ 1.25 × products",
    ),
    "mlp-3072-large": Workload(
        "3072-2048×2-10 ReLU, CE, SGD, batch 512",
        "dense", (512, 3072), (2048,) * 2, 10, "relu", "entropy", "sgd", 8, 5,
        "≤ 1.1 × products",
    ),
    "cnn": Workload(
        "CNN 32×32×3: conv 3×3 32, pool, conv 3×3 64, pool, dense 10; CE, Adam, batch 64",
        "cnn", (64, 32, 32, 3), (32, 64), 10, "relu", "entropy", "adam", 8, 5, "shown",
    ),
    "lstm": Workload(
        "LSTM 28×28, 128 units, dense 10; CE, Adam, batch 64",
        "lstm", (64, 28, 28), (128,), 10, "tanh", "entropy", "adam", 16, 15, "shown",
    ),
}  # fmt: skip
#: Seconds that a worker runs unmeasured, and measured, each time it is its turn.
WARM_UP, ROUND = 0.3, 0.4
RATE = {"sgd": 0.1, "adam": 1e-3}


# ---- implementations ------------------------------------------------------------------------
def ours(work: Workload, engine: str) -> Step:
    """``netparity.nn``."""
    from netparity import nn

    activations: dict[str, nn.Layer] = {"relu": nn.ReLU(), "sigmoid": nn.Sigmoid()}
    layers: list[tuple[str, nn.Layer]] = []
    if work.kind == "dense":
        for i, (a, b) in enumerate(zip(work.sizes, work.sizes[1:], strict=False)):
            layers.append((f"dense{i}", nn.Affine(a, b)))
            if work.loss == "squared" or i < len(work.hidden):
                layers.append((f"activation{i}", activations[work.activation]))
    elif work.kind == "cnn":
        channels = (work.shape[-1], *work.hidden)
        for i, (a, b) in enumerate(pairwise(channels)):
            layers += [
                (f"conv{i}", nn.Conv2D(a, b, 3, padding="same")),
                (f"relu{i}", nn.ReLU()),
                (f"pool{i}", nn.MaxPool2D(2)),
            ]
        flat = work.parameters()["dense.weight"].shape[0]
        layers += [("flatten", nn.Flatten()), ("dense", nn.Affine(flat, work.outputs))]
    else:
        (units,) = work.hidden
        layers = [
            ("lstm", nn.LSTM(work.shape[-1], units)),
            ("dense", nn.Affine(units, work.outputs)),
        ]
    solver = nn.Solver(
        nn.Network(tuple(layers)),
        nn.MeanSquaredError() if work.loss == "squared" else nn.SoftmaxCrossEntropy(),
        nn.SGD(RATE["sgd"]) if work.optimizer == "sgd" else nn.Adam(RATE["adam"]),
        parameters=work.parameters(),
        batch_size=work.shape[0],
        dtype=np.float32,
        engine=engine,
    )
    return solver.step


def products(work: Workload) -> Step:
    """The bare matrix products of a step, forward and backward, into arrays that are there."""
    values = work.parameters()

    def empty(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    if work.kind == "dense":
        weights = [values[f"dense{i}.weight"] for i in range(len(work.sizes) - 1)]
        outputs = [empty(work.shape[0], w.shape[1]) for w in weights]
        inputs: list[np.ndarray | None] = [None, *outputs[:-1]]
        plan = [(a, w, y, False) for a, w, y in zip(inputs, weights, outputs, strict=True)]
        for i in reversed(range(len(weights))):
            plan.append((inputs[i], outputs[i], empty(*weights[i].shape), True))
            if i:
                plan.append((outputs[i], weights[i].T, outputs[i - 1], False))

        def run(x: np.ndarray, y: np.ndarray) -> None:
            for left, right, out, transposed in plan:
                first = x if left is None else left
                np.matmul(first.T if transposed else first, right, out=out)

        return run
    if work.kind == "cnn":
        rows, size = work.shape[0], work.shape[1]
        pairs = []
        channels = (work.shape[-1], *work.hidden)
        for i, (a, b) in enumerate(pairwise(channels)):
            n = rows * (size >> i) ** 2
            pairs.append((empty(n, 9 * a), values[f"conv{i}.weight"].reshape(9 * a, b)))
        dense = values["dense.weight"]
        pairs.append((empty(rows, dense.shape[0]), dense))
    else:
        (units,), (rows, length, features) = work.hidden, work.shape
        pairs = [
            (empty(rows * length, features), values["lstm.weight"]),
            *[(empty(rows, units), values["lstm.recurrent_weight"])] * length,
            (empty(rows, units), values["dense.weight"]),
        ]
    made = [
        (a, w, empty(a.shape[0], w.shape[1]), empty(*w.shape), empty(*a.shape)) for a, w in pairs
    ]

    def general(x: np.ndarray, y: np.ndarray) -> None:
        for a, w, out, _, _ in made:
            np.matmul(a, w, out=out)
        for place, (a, w, out, dw, da) in enumerate(made):
            np.matmul(a.T, out, out=dw)
            if place:
                np.matmul(out, w.T, out=da)

    return general


def torch_(work: Workload) -> Step:
    """PyTorch, eager, fused Adam."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    nn = torch.nn
    values = {name: torch.tensor(array) for name, array in work.parameters().items()}
    activations = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}

    def dense(name: str) -> torch.nn.Linear:
        weight = values[f"{name}.weight"]
        layer = nn.Linear(*weight.shape)
        with torch.no_grad():
            layer.weight.copy_(weight.T)
            layer.bias.copy_(values[f"{name}.bias"])
        return layer

    modules: list[Any] = []
    if work.kind == "dense":
        for i in range(len(work.sizes) - 1):
            modules.append(dense(f"dense{i}"))
            if work.loss == "squared" or i < len(work.hidden):
                modules.append(activations[work.activation]())
        net: Any = nn.Sequential(*modules)
    elif work.kind == "cnn":
        for i in range(len(work.hidden)):
            weight = values[f"conv{i}.weight"]
            layer = nn.Conv2d(weight.shape[2], weight.shape[3], 3, padding=1)
            with torch.no_grad():
                layer.weight.copy_(weight.permute(3, 2, 0, 1))
                layer.bias.copy_(values[f"conv{i}.bias"])
            modules += [layer, nn.ReLU(), nn.MaxPool2d(2)]
        net = nn.Sequential(*modules, nn.Flatten(), dense("dense"))
    else:
        net = nn.Module()
        net.lstm = nn.LSTM(work.shape[-1], work.hidden[0], batch_first=True)
        net.dense = dense("dense")
        net.forward = lambda x: net.dense(net.lstm(x)[0][:, -1])
    loss = nn.MSELoss() if work.loss == "squared" else nn.CrossEntropyLoss()
    if work.optimizer == "adam":
        optimizer: Any = torch.optim.Adam(net.parameters(), RATE["adam"], fused=True)
    else:
        optimizer = torch.optim.SGD(net.parameters(), RATE["sgd"])

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        optimizer.step()
        return value.detach()

    step.convert = lambda x, y: (  # type: ignore[attr-defined]
        torch.tensor(x.transpose(0, 3, 1, 2).copy() if work.kind == "cnn" else x),
        torch.tensor(y),
    )
    return step


def jax_(work: Workload) -> Step:
    """JAX, the whole step jitted, with optax and donated arguments."""
    import jax
    import jax.numpy as jnp
    import optax

    activations = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}

    def predict(p: dict[str, Any], x: Any) -> Any:
        if work.kind == "dense":
            for i in range(len(work.sizes) - 1):
                x = x @ p[f"dense{i}.weight"] + p[f"dense{i}.bias"]
                if work.loss == "squared" or i < len(work.hidden):
                    x = activations[work.activation](x)
            return x
        if work.kind == "cnn":
            for i in range(len(work.hidden)):
                x = jax.lax.conv_general_dilated(
                    x, p[f"conv{i}.weight"], (1, 1), "SAME",
                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                )  # fmt: skip
                x = jax.nn.relu(x + p[f"conv{i}.bias"])
                x = jax.lax.reduce_window(
                    x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
                )
            return x.reshape(len(x), -1) @ p["dense.weight"] + p["dense.bias"]
        units = work.hidden[0]

        def cell(carry: Any, z: Any) -> Any:
            h, c = carry
            z = z + h @ p["lstm.recurrent_weight"]
            i, f, g, o = (z[:, k * units : (k + 1) * units] for k in range(4))
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), None

        zeros = jnp.zeros((len(x), units), x.dtype)
        z = (x @ p["lstm.weight"] + p["lstm.bias"]).transpose(1, 0, 2)
        (h, _), _ = jax.lax.scan(cell, (zeros, zeros), z)
        return h @ p["dense.weight"] + p["dense.bias"]

    def loss(p: dict[str, Any], x: Any, y: Any) -> Any:
        prediction = predict(p, x)
        if work.loss == "squared":
            return ((prediction - y) ** 2).mean()
        return optax.softmax_cross_entropy_with_integer_labels(prediction, y).mean()

    rule = optax.adam(RATE["adam"]) if work.optimizer == "adam" else optax.sgd(RATE["sgd"])

    def whole(p: Any, state: Any, x: Any, y: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(p, x, y)
        updates, state = rule.update(gradients, state)
        return optax.apply_updates(p, updates), state, value

    jitted = jax.jit(whole, donate_argnums=(0, 1))
    held: list[Any] = [{name: jnp.array(v) for name, v in work.parameters().items()}]
    held.append(rule.init(held[0]))

    def step(x: Any, y: Any) -> Any:
        held[0], held[1], value = jitted(held[0], held[1], x, y)
        return value.block_until_ready()

    step.convert = lambda x, y: (jnp.array(x), jnp.array(y))  # type: ignore[attr-defined]
    return step


def keras_(work: Workload) -> Step:
    """Keras on TensorFlow, ``train_on_batch``."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    import keras

    values = work.parameters()
    layers = keras.layers
    stack: list[Any] = [keras.Input(work.shape[1:], batch_size=work.shape[0])]
    if work.kind == "dense":
        for i, width in enumerate(work.sizes[1:]):
            last = work.loss == "entropy" and i == len(work.hidden)
            stack.append(layers.Dense(width, None if last else work.activation))
    elif work.kind == "cnn":
        for width in work.hidden:
            stack += [
                layers.Conv2D(width, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
            ]
        stack += [layers.Flatten(), layers.Dense(work.outputs)]
    else:
        stack += [layers.LSTM(work.hidden[0]), layers.Dense(work.outputs)]
    model = keras.Sequential(stack)
    model.set_weights(list(values.values()))
    if work.optimizer == "adam":
        optimizer: Any = keras.optimizers.Adam(RATE["adam"])
    else:
        optimizer = keras.optimizers.SGD(RATE["sgd"])
    model.compile(
        optimizer,
        "mse"
        if work.loss == "squared"
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return lambda x, y: model.train_on_batch(x, y)


def sklearn_(work: Workload) -> Step:
    """scikit-learn, ``partial_fit`` of one batch; only dense networks with cross-entropy."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        work.hidden,
        activation=work.activation,
        solver=work.optimizer,
        learning_rate_init=RATE[work.optimizer],
        alpha=0.0,
        momentum=0.0,
        nesterovs_momentum=False,
        batch_size=work.shape[0],
    )
    classes = np.arange(work.outputs)
    return lambda x, y: model.partial_fit(x, y, classes=classes)


IMPLEMENTATIONS: dict[str, tuple[str | None, Callable[[Workload], Step]]] = {
    "products": (None, products),
    "ours": ("numba", lambda work: ours(work, "compiled")),
    "ours, plain NumPy": (None, lambda work: ours(work, "plain")),
    "PyTorch": ("torch", torch_),
    "JAX jit": ("optax", jax_),
    "Keras": ("keras", keras_),
    "scikit-learn": ("sklearn", sklearn_),
}


def can(name: str, work: Workload) -> bool:
    """Whether an implementation has the workload."""
    return name != "scikit-learn" or (work.kind == "dense" and work.loss == "entropy")


def timed(step: Step, batches: Iterator[Any], steps: int, seconds: float) -> float:
    """Seconds of a step, the mean over as many as fill a time, some at a time."""
    start, taken, made = time.perf_counter(), 0.0, 0
    while taken < seconds:
        for _ in range(steps):
            step(*next(batches))
        made += steps
        taken = time.perf_counter() - start
    return taken / made


# ---- a worker: one implementation, told when to run ------------------------------------------
def worker(name: str, key: str) -> None:
    """Answers each line on stdin with the seconds of a step, and ``memory`` with bytes."""
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work = WORKLOADS[key]
    step = IMPLEMENTATIONS[name][1](work)
    convert = getattr(step, "convert", lambda x, y: (x, y))
    batches: Iterator[Any] = cycle([convert(x, y) for x, y in work.data()])
    for _ in range(min(work.steps, 20) + 3):
        step(*next(batches))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            tracemalloc.start()
            step(*next(batches))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            step(*next(batches))
            answer = float(tracemalloc.get_traced_memory()[1] - before)
            tracemalloc.stop()
        else:
            # A process that was idle while others ran is slow at first: its threads sleep and
            # its memory is cold. What is measured is how it goes on.
            timed(step, batches, work.steps, WARM_UP)
            answer = timed(step, batches, work.steps, ROUND)
        print(answer, file=answers, flush=True)


@dataclass
class Process:
    """A worker, seen from outside."""

    name: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, name: str, key: str) -> Process:
        """Starts one and waits until it is warm."""
        command = [sys.executable, __file__, "--worker", name, key]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        made = cls(name, process)
        made.answer()
        return made

    def answer(self) -> str:
        """The next line it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            assert self.process.stderr is not None
            raise RuntimeError(f"{self.name} failed:\n{self.process.stderr.read()[-2000:]}")
        return line

    def ask(self, what: str) -> float:
        """Tells it to run and waits for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return float(self.answer())

    def stop(self) -> None:
        """Lets it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(key: str, names: list[str], rounds: int) -> list[dict[str, Any]]:
    """Rows of one workload."""
    processes = [Process.start(name, key) for name in names if can(name, WORKLOADS[key])]
    times: dict[str, list[float]] = {process.name: [] for process in processes}
    for _ in range(rounds):
        for process in processes:
            times[process.name].append(process.ask("time"))
    floor = times["products"]
    rows = []
    for process in processes:
        taken = times[process.name]
        memory = process.ask("memory") if process.name.startswith("ours") else None
        rows.append(
            {
                "workload": key,
                "implementation": process.name,
                "us_per_step": float(np.median(taken)) * 1e6,
                # Of the rounds' ratios, so that a slow spell of the machine counts for both.
                "ratio_to_products": float(
                    np.median([t / f for t, f in zip(taken, floor, strict=True)])
                ),
                "temporaries_kib": None if memory is None else memory / 1024,
            }
        )
        process.stop()
    return rows


def table(key: str, rows: list[dict[str, Any]]) -> str:
    """A workload's rows as text."""
    work = WORKLOADS[key]
    lines = [f"\n{work.title}  ({key}; wanted of ours: {work.wanted})"]
    lines.append(f"  {'':20} {'µs per step':>12} {'× products':>11} {'temporaries':>12}")
    for row in rows:
        memory = row["temporaries_kib"]
        shown = "" if memory is None else f"{memory:.1f} KiB"
        lines.append(
            f"  {row['implementation']:20} {row['us_per_step']:>12,.1f} "
            f"{row['ratio_to_products']:>11.3f} {shown:>12}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--only", nargs="+", choices=IMPLEMENTATIONS, default=list(IMPLEMENTATIONS))
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        worker(*given.worker)
        return
    # The floor is always there: the ratios are to it.
    asked = [n for n in IMPLEMENTATIONS if n in (*given.only, "products")]
    modules = {name: IMPLEMENTATIONS[name][0] for name in asked}
    names = [name for name, module in modules.items() if module is None or find_spec(module)]
    missing = [name for name in asked if name not in names]
    versions = ["numpy", "numba", "torch", "jax", "keras", "tensorflow-cpu", "scikit-learn"]
    shown = []
    for package in versions:
        try:
            shown.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    from threadpoolctl import threadpool_info

    blas = ", ".join(
        f"{one['internal_api']} {one.get('version')} {one.get('architecture', '')} "
        f"{one['num_threads']} threads"
        for one in threadpool_info()
        if one["user_api"] == "blas"
    )
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {blas}")
    print(", ".join(shown))
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    rows: list[dict[str, Any]] = []
    for key in given.workloads:
        found = measure(key, names, given.rounds)
        print(table(key, found), flush=True)
        rows += found
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
