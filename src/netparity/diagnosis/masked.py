"""What can still be observed where a difference in the structure hides the rest.

Two networks with other layers compute other things throughout; each pair of layers, given the
same input, can be compared all the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from netparity.diagnosis.align import pair_layers
from netparity.diagnosis.bench import Bench, Stage, merge, not_checked
from netparity.diagnosis.noise import Measure, reference
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Twin
from netparity.errors import InputError
from netparity.nn import Context, Dropout

#: Causes behind which whole layers have no counterpart.
STRUCTURAL: Final = frozenset({"layer-missing", "layer-width", "layer-order"})


def masking(ids: Iterable[str]) -> tuple[str, ...]:
    """Those of these causes that hide what lies behind the structure."""
    return tuple(dict.fromkeys(i for i in ids if i in STRUCTURAL))


def apart(bench: Bench) -> bool:
    """Whether whole layers of the two sides have no counterpart, or one of another width."""
    left, right, pairing = bench.left.twin, bench.right.twin, bench.pairing
    if left is None or right is None:
        return True
    a, b = left.network.parameter_shapes(), right.network.parameter_shapes()
    weights = [n for n in (*pairing.left_only, *pairing.right_only) if n.endswith(".weight")]
    return bool(weights) or any(a[n] != b[m] for n, m in pairing.names.items() if n in a)


def forward(bench: Bench, masks: Sequence[str]) -> Stage:
    """The layers that pair, each given left's input; equal ones prove nothing of the rest."""
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return not_checked("forward", f"masked by {', '.join(masks)}")
    measures = pair_measures(bench, left, right)
    wrong = [m for m in measures if m.different and m.conditioned]
    reason = f"masked by {', '.join(masks)}: only layers that pair were compared"
    if wrong:
        return Stage("forward", "different", tuple(measures), reason)
    return Stage("forward", "not-checked", tuple(measures), reason)


def pair_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Each pair of layers with the same input, in inference mode."""
    x, _ = bench.batch
    values = probe_parameters(left, bench.rng)
    known = reference(
        left.with_(loss=None),
        values,
        x,
        None,
        dtype=bench.dtype,
        rng=bench.rng,
        training=False,
    )
    shapes = right.network.parameter_shapes()
    paired = {bench.pairing.names.get(n, ""): v for n, v in values.items()}
    others = {
        n: paired[n] if n in paired and paired[n].shape == tuple(shape) else np.zeros(shape)
        for n, shape in shapes.items()
    }
    measures = []
    for name, (other, layer) in pair_layers(left, right, bench.pairing).items():
        if f"outputs/{name}" not in known.floors or isinstance(layer, Dropout):
            continue
        own = {n.rsplit(".", 1)[1]: v for n, v in others.items() if n.rsplit(".", 1)[0] == other}
        with contextlib.suppress(InputError):  # a layer of another width
            got, _ = layer.apply(own, known.evaluation.tape.inputs[name], Context(training=False))
            expected = known.values[f"outputs/{name}"]
            if np.shape(got) == np.shape(expected):
                measures.append(known.measure(f"outputs/{name}", expected, np.asarray(got), name))
    return merge(measures)
