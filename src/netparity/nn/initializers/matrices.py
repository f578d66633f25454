"""Laws of whole arrays: orthogonal, identity, and other laws side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.initializers.base import Law


def _matrix(shape: tuple[int, ...], law: str) -> tuple[int, int]:
    """Rows and columns of an array whose last axis is that of the columns."""
    if len(shape) < 2:
        raise InputError(
            f"{law}: shape of no matrix. Expected at least two axes. Received: {shape}"
        )
    return math.prod(shape[:-1]), shape[-1]


@final
@dataclass(frozen=True, slots=True)
class Orthogonal(Law):
    """A matrix with orthonormal columns, or rows where it is wide, times the gain.

    ``A = Q R`` of a matrix of standard normal numbers, tall or turned so; with uniform signs
    each column of Q is multiplied by the sign of R's diagonal, which makes all such matrices
    equally likely. Axes before the last are taken together as rows.

    Args:
        gain: the length of the columns or rows.
        signs: ``"uniform"``, or ``"as-factored"``, as the factorization leaves them.

    Raises:
        InputError: the shape has fewer than two axes.

    Example:
        >>> matrix = Orthogonal().sample((2, 3), 2, 3, np.random.default_rng(0), np.float64)
        >>> (matrix @ matrix.T).round(12)
        array([[ 1., -0.],
               [-0.,  1.]])

    Source: A. M. Saxe, J. L. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics
    of learning in deep linear neural networks", ICLR 2014; the signs: F. Mezzadri, "How to
    generate random matrices from the classical compact groups", 2007.

    **Parity** (`orthogonal-init`): torch, Keras and JAX all have uniform signs, which programs
    that call ``np.linalg.qr`` themselves mostly have not. A convolution's kernel is taken as
    one matrix with its outputs as columns in all of them. Keras's recurrent kernels of an LSTM
    or GRU are one matrix (H, 4H) or (H, 3H), Flax's one for each gate: see ``Blocks``.

    ``cdf`` is that of one value of a matrix of these fans.
    """

    gain: float = 1.0
    signs: Literal["uniform", "as-factored"] = "uniform"

    def __post_init__(self) -> None:
        """Checks the word."""
        if self.signs not in ("uniform", "as-factored"):
            raise InputError(
                "Orthogonal: signs has no such setting. Expected 'uniform' or 'as-factored'. "
                f"Received: {self.signs!r}"
            )

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """An orthogonal matrix (see ``Law.sample``)."""
        rows, columns = _matrix(shape, "Orthogonal")
        if rows * columns == 0:
            return np.zeros(shape, dtype)
        drawn = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(drawn)
        if self.signs == "uniform":
            q = q * np.sign(np.diagonal(r))
        q = q if rows >= columns else q.T
        return (q * float(self.gain)).reshape(shape).astype(dtype, order="C")

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """That of one coordinate of a point on a sphere (see ``Law.cdf``)."""
        dimension, width = max(fan_in, fan_out, 1), abs(float(self.gain))
        x = np.asarray(values, np.float64) / width
        if dimension == 1:
            return 0.5 * (x >= -1.0) + 0.5 * (x >= 1.0)
        x = np.clip(x, -1.0, 1.0)
        # Its density is (1 − x²)^((n − 3)/2); from one power to the next the integral from 0 to
        # x, in parts of that up to 1, grows by one term.
        below = 1.0 - x * x
        if dimension % 2:
            share, power, whole = x.copy(), 0, 1.0
        else:
            share, power, whole = np.arcsin(x) * (2.0 / math.pi), -1, 0.5 * math.pi
        term = x * np.sqrt(below) if dimension % 2 == 0 else x * below
        while power < dimension - 3:
            power += 2
            whole *= power / (power + 1.0)
            share += term / ((power + 1.0) * whole)
            term = term * below
        return 0.5 + 0.5 * np.clip(share, -1.0, 1.0)

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """The length of a column to either side."""
        return (-abs(float(self.gain)), abs(float(self.gain)))

    def describe(self, fan_in: int, fan_out: int) -> str:
        """The law in words."""
        return "orthogonal" if self.gain == 1.0 else f"orthogonal times {self.gain:.6g}"


@final
@dataclass(frozen=True, slots=True)
class Eye(Law):
    """The gain on the diagonal, and 0 elsewhere.

    Args:
        gain: that value, above 0.

    Raises:
        InputError: the gain is not above 0, or the shape has fewer than two axes.

    Example:
        >>> Eye(2.0).sample((2, 3), 2, 3, np.random.default_rng(0), np.float64)
        array([[2., 0., 0.],
               [0., 2., 0.]])

    Source: Q. V. Le, N. Jaitly, G. E. Hinton, "A simple way to initialize recurrent networks of
    rectified linear units", 2015.

    **Parity** (`init-formulas`): torch's ``eye_`` and Keras's ``Identity``, which take matrices
    only.

    ``cdf`` is that of a value chosen at random from a matrix of these fans.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        """Checks the gain."""
        if not self.gain > 0.0:
            raise InputError(
                f"Eye: gain out of range. Expected a number above 0. Received: {self.gain!r}"
            )

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """The matrix (see ``Law.sample``); draws nothing."""
        rows, columns = _matrix(shape, "Eye")
        return (np.eye(rows, columns) * float(self.gain)).reshape(shape).astype(dtype)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """Two steps (see ``Law.cdf``)."""
        values, share = np.asarray(values, np.float64), 1.0 / max(fan_in, fan_out, 1)
        return (1.0 - share) * (values >= 0.0) + share * (values >= float(self.gain))

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """From 0 to the gain."""
        return (0.0, float(self.gain))

    def describe(self, fan_in: int, fan_out: int) -> str:
        """The law in words."""
        return "identity" if self.gain == 1.0 else f"identity times {self.gain:.6g}"


@final
@dataclass(frozen=True, slots=True)
class Blocks(Law):
    """Blocks of columns side by side, each drawn by a law of its own: gates, for instance.

    Each law is told the fan out of its block.

    Args:
        laws: at least one, in the order of the blocks.

    Raises:
        InputError: there is no law, or the last axis does not split into so many blocks.

    Example:
        >>> from netparity.nn.initializers import Constant
        >>> law = Blocks((Constant(0.0), Constant(1.0)))
        >>> law.sample((4,), 1, 4, np.random.default_rng(0), np.float64)
        array([0., 0., 1., 1.])

    Source: R. Jozefowicz, W. Zaremba, I. Sutskever, "An empirical exploration of recurrent
    network architectures", ICML 2015, for the forget gate's bias of 1.

    **Parity** (`rnn-forget-bias`, `orthogonal-init`, `rnn-init-default`): Keras starts the
    block of an LSTM's forget gate at 1; Flax draws each gate's kernels by themselves.
    """

    laws: tuple[Law, ...]

    def __post_init__(self) -> None:
        """Checks that there are laws."""
        if not self.laws:
            raise InputError("Blocks: no laws. Expected at least one. Received: none")

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """Draws block by block (see ``Law.sample``)."""
        count = len(self.laws)
        if not shape or shape[-1] % count:
            raise InputError(
                f"Blocks: shape that does not split. Expected a last axis of {count} equal "
                f"blocks. Received: {shape}"
            )
        part = (*shape[:-1], shape[-1] // count)
        blocks = [law.sample(part, fan_in, fan_out // count, rng, dtype) for law in self.laws]
        return np.concatenate(blocks, axis=-1)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """The mean of the blocks' (see ``Law.cdf``)."""
        count = len(self.laws)
        each = [law.cdf(values, fan_in, fan_out // count) for law in self.laws]
        return np.asarray(np.mean(each, axis=0))

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """The smallest and the largest value of any block."""
        ends = [law.support(fan_in, fan_out // len(self.laws)) for law in self.laws]
        return (min(low for low, _ in ends), max(high for _, high in ends))

    def describe(self, fan_in: int, fan_out: int) -> str:
        """The blocks in words."""
        part = fan_out // len(self.laws)
        return " | ".join(law.describe(fan_in, part) for law in self.laws)
