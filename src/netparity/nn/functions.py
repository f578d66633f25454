"""Elementary functions that NumPy lacks, stable over the whole range."""

from __future__ import annotations

import numpy as np

from netparity.nn.arrays import FRESH, Array, Memory

#: Elements worked on at a time where there are many intermediate arrays: 64 KiB of float64, so
#: that these stay in the processor's cache and their memory is not handed back in between.
_BLOCK = 8192

# The rational approximations of erf in fdlibm: numerators and denominators by rising powers.
_ERF_NEAR = 0.84375
_ERF_NEAR_P = (
    1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
    -5.77027029648944159157e-03, -2.37630166566501626084e-05,
)  # fmt: skip
_ERF_NEAR_Q = (
    1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
    1.32494738004321644526e-04, -3.96022827877536812320e-06,
)  # fmt: skip
_ERF_MIDDLE = 1.25
#: erf(1), roughly, and what the fraction adds to it around 1.
_ERF_ONE = 8.45062911510467529297e-01
_ERF_MIDDLE_P = (
    -2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
    3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
    -2.16637559486879084300e-03,
)  # fmt: skip
_ERF_MIDDLE_Q = (
    1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
    1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02,
)  # fmt: skip
#: Where one expansion in 1/x² gives way to the other.
_ERF_FAR = 1.0 / 0.35
_ERF_FAR_P = (
    -9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e01,
    -6.23753324503260060396e01, -1.62396669462573470355e02, -1.84605092906711035994e02,
    -8.12874355063065934246e01, -9.81432934416914548592e00,
)  # fmt: skip
_ERF_FAR_Q = (
    1.0, 1.96512716674392571292e01, 1.37657754143519042600e02, 4.34565877475229228821e02,
    6.45387271733267880336e02, 4.29008140027567833386e02, 1.08635005541779435134e02,
    6.57024977031928170135e00, -6.04244152148580987438e-02,
)  # fmt: skip
_ERF_LAST_P = (
    -9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e01,
    -1.60636384855821916062e02, -6.37566443368389627722e02, -1.02509513161107724954e03,
    -4.83519191608651397019e02,
)  # fmt: skip
_ERF_LAST_Q = (
    1.0, 3.03380607434824582924e01, 3.25792512996573918826e02, 1.53672958608443695994e03,
    3.19985821950859553908e03, 2.55305040643316442583e03, 4.74528541206955367215e02,
    -2.24409524465858183362e01,
)  # fmt: skip
#: From here on erf rounds to 1.
_ERF_END = 6.0


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    """``Σ cₖ xᵏ``, taken by pairs of neighbouring powers."""
    total = coefficients[0] + x * coefficients[1]
    square = x * x
    power = square
    for k in range(2, len(coefficients) - 1, 2):
        total += power * (coefficients[k] + x * coefficients[k + 1])
        power = power * square
    if len(coefficients) % 2:
        total += power * coefficients[-1]
    return total


def _erf_tail(x: Array, p: tuple[float, ...], q: tuple[float, ...]) -> Array:
    """The error function between 1.25 and 6 by one expansion of erfc in ``1/x²``."""
    square = x * x
    s = 1.0 / square
    exponent = _polynomial(s, p) / _polynomial(s, q)
    exponent -= square
    exponent -= 0.5625
    return np.asarray(1.0 - np.exp(exponent) / x)


def _erf_block(x: Array) -> Array:
    """The error function of a float64 vector."""
    near = np.clip(x, -_ERF_NEAR, _ERF_NEAR)
    square = near * near
    y = near + near * (_polynomial(square, _ERF_NEAR_P) / _polynomial(square, _ERF_NEAR_Q))
    beyond = np.flatnonzero(np.abs(x) >= _ERF_NEAR)
    if beyond.size:
        signed = x[beyond]
        size = np.minimum(np.abs(signed), _ERF_END)
        s = np.minimum(size, _ERF_MIDDLE) - 1.0
        values = _ERF_ONE + _polynomial(s, _ERF_MIDDLE_P) / _polynomial(s, _ERF_MIDDLE_Q)
        far = np.flatnonzero((size >= _ERF_MIDDLE) & (size < _ERF_FAR))
        values[far] = _erf_tail(size[far], _ERF_FAR_P, _ERF_FAR_Q)
        last = np.flatnonzero(size >= _ERF_FAR)
        values[last] = _erf_tail(size[last], _ERF_LAST_P, _ERF_LAST_Q)
        y[beyond] = np.copysign(values, signed)
    return y


def erf(x: Array, memory: Memory = FRESH) -> Array:
    """The error function ``2/√π ∫₀ˣ exp(−t²) dt``, element by element.

    Args:
        x: any shape, float32 or float64.
        memory: where the result comes from.

    Returns:
        The values in the shape and dtype of ``x``, computed in float64: within one ulp of
        that of the C library.

    Example:
        >>> erf(np.array([0.0, 1.0])).round(6)
        array([0.      , 0.842701])

    Source: the rational approximations of fdlibm's ``s_erf.c`` (Sun Microsystems, 1993), which
    most C libraries use; the arrangement for arrays is netparity's.
    """
    y = memory.empty("erf", x.shape, x.dtype)
    rows, results = x.reshape(-1), y.reshape(-1)
    for start in range(0, rows.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        results[block] = _erf_block(rows[block].astype(np.float64))
    return y


def select(condition: Array, x: Array | float, other: Array, out: Array, memory: Memory) -> Array:
    """``x`` where the condition holds, else ``other``, to the bit.

    ``np.where`` takes a branch at each element, which costs several times as much where the
    condition is as random as signs are; here bits are changed without one.

    Args:
        condition: booleans in the shape of ``out``.
        x: an array that broadcasts to it, or a number.
        other: an array that broadcasts to it.
        out: the result, float32 or float64; may be ``x`` or ``other`` itself.
        memory: where an intermediate array comes from.

    Returns:
        ``out``.

    Example:
        >>> x = np.array([-1.0, 2.0])
        >>> select(x > 0, x, 0.5 * x, np.empty(2), FRESH)
        array([-0.5,  2. ])
    """
    integer = np.dtype(f"i{out.dtype.itemsize}")
    bits = other.view(integer)
    # Where the two differ: all of it, times 1 or 0, turns one into the other or leaves it.
    change = memory.empty("change", out.shape, integer)
    np.bitwise_xor(np.asarray(x, out.dtype).view(integer), bits, out=change)
    change *= condition
    np.bitwise_xor(change, bits, out=out.view(integer))
    return out


def rectify(x: Array, out: Array) -> Array:
    """``max(x, 0)``, with +0 wherever ``x`` is not positive.

    Args:
        x: any shape, float32 or float64.
        out: the result.

    Returns:
        ``out``.

    Example:
        >>> x = np.array([-1.0, 2.0])
        >>> rectify(x, np.empty(2))
        array([0., 2.])
    """
    # clip is several times as fast as maximum with a number, but keeps −0; adding 0 does not.
    np.clip(x, 0.0, np.inf, out=out)
    out += 0.0
    return out


def exp_minus_abs(x: Array, out: Array) -> Array:
    """``exp(−|x|)``, which never overflows.

    Args:
        x: any shape, float32 or float64.
        out: the result.

    Returns:
        ``out``.

    Example:
        >>> x = np.array([-1000.0, 0.0])
        >>> exp_minus_abs(x, np.empty(2))
        array([0., 1.])
    """
    np.abs(x, out=out)
    np.negative(out, out=out)
    return np.exp(out, out=out)


def sigmoid(x: Array, memory: Memory = FRESH) -> Array:
    """The logistic function ``1/(1 + exp(−x))``, without overflow.

    Args:
        x: any shape, float32 or float64.
        memory: where the result and an intermediate array come from.

    Returns:
        The values in the shape and dtype of ``x``.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0]))
        array([0. , 0.5])

    Source: algebra: for negative ``x`` it is ``exp(x)/(1 + exp(x))``.
    """
    decay = exp_minus_abs(x, memory.empty("decay", x.shape, x.dtype))
    return sigmoid_of_decay(x, decay, memory)


def sigmoid_of_decay(x: Array, decay: Array, memory: Memory = FRESH) -> Array:
    """The logistic function where ``exp(−|x|)`` is at hand.

    Args:
        x: any shape, float32 or float64.
        decay: ``exp(−|x|)``; overwritten.
        memory: where the result comes from.

    Returns:
        The values in the shape and dtype of ``x``.

    Example:
        >>> sigmoid_of_decay(np.array([0.0]), np.array([1.0]))
        array([0.5])
    """
    positive = np.greater_equal(x, 0, out=memory.empty("not negative", x.shape, bool))
    y = memory.empty("sigmoid", x.shape, x.dtype)
    # The numerator is 1 where x ≥ 0 and exp(−|x|) ≤ 1 elsewhere: the larger of it and 1 or 0.
    np.copyto(y, positive)
    np.maximum(y, decay, out=y)
    decay += 1.0
    return np.divide(y, decay, out=y)


def reduced_shape(x: Array, axis: int | None) -> tuple[int, ...]:
    """The shape of a reduction that keeps its axes.

    Args:
        x: what is reduced.
        axis: along which axis; ``None``: along all.

    Example:
        >>> reduced_shape(np.zeros((2, 3)), -1), reduced_shape(np.zeros((2, 3)), None)
        ((2, 1), (1, 1))
    """
    if axis is None:
        return (1,) * x.ndim
    place = axis % x.ndim
    return (*x.shape[:place], 1, *x.shape[place + 1 :])


def log_softmax(x: Array, axis: int | None = -1, memory: Memory = FRESH) -> Array:
    """The logarithm of softmax, ``x − log Σ exp(x)``, without overflow.

    Args:
        x: any shape, float32 or float64.
        axis: the axis of the classes; ``None``: all elements together.
        memory: where the result and an intermediate array come from.

    Returns:
        The values in the shape and dtype of ``x``.

    Example:
        >>> log_softmax(np.array([1000.0, 1000.0])).round(6)
        array([-0.693147, -0.693147])

    Source: algebra: a constant added to all of ``x`` leaves it as it is.
    """
    shifted = memory.empty("log softmax", x.shape, x.dtype)
    reduced = memory.empty("reduced", reduced_shape(x, axis), x.dtype)
    np.subtract(x, np.max(x, axis, out=reduced, keepdims=True), out=shifted)
    exponentials = np.exp(shifted, out=memory.empty("exponentials", x.shape, x.dtype))
    np.sum(exponentials, axis, out=reduced, keepdims=True)
    shifted -= np.log(reduced, out=reduced)
    return shifted


def softmax(x: Array, axis: int | None = -1, memory: Memory = FRESH) -> Array:
    """``exp(x)/Σ exp(x)``, without overflow.

    Args:
        x: any shape, float32 or float64.
        axis: the axis of the classes; ``None``: all elements together.
        memory: where the result comes from.

    Returns:
        The values in the shape and dtype of ``x``.

    Example:
        >>> softmax(np.array([1000.0, 1000.0]))
        array([0.5, 0.5])

    Source: algebra.
    """
    y = memory.empty("softmax", x.shape, x.dtype)
    reduced = memory.empty("reduced", reduced_shape(x, axis), x.dtype)
    np.subtract(x, np.max(x, axis, out=reduced, keepdims=True), out=y)
    np.exp(y, out=y)
    y /= np.sum(y, axis, out=reduced, keepdims=True)
    return y
