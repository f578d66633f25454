"""How a backward pass differs from the derivative of its own loss."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

GRADIENT: tuple[Convention, ...] = (
    Convention(
        id="subgradient-at-kink",
        stage="gradient",
        title="derivative where there is none",
        statement=(
            "Where a function has a kink a framework must pick a value. ReLU'(0) is 0 everywhere, "
            "but |x|' at 0 is 0 in torch and TensorFlow and 1 in JAX; max(x, 0)' at 0 is ½ in "
            "torch and JAX and 1 in TensorFlow; clip' at its bound is 1 in torch and TensorFlow "
            "and ½ in JAX; the derivative of the norm at 0 is 0 in torch and NaN in TensorFlow and "
            "JAX."
        ),
        defaults={
            "torch": "relu 0, abs 0, max(x, 0) ½, leaky relu its slope, clip 1, norm 0",
            "tensorflow": "relu 0, abs 0, maximum(x, 0) 1, leaky relu its slope, clip 1, norm NaN",
            "jax": "relu 0, abs 1, maximum(x, 0) ½, leaky_relu 1, clip ½, norm NaN",
            "numpy": "dz[z < 0] = 0 passes the gradient at 0; dz * (z > 0) does not",
        },
        signature=(
            "gradients differ only in units whose pre-activation is exactly 0 (zero initial "
            "weights, dead inputs)"
        ),
        imitate="ReLU(gradient_at_zero=1.0)",
        switches=(
            "ReLU.gradient_at_zero",
            "LeakyReLU.gradient_at_zero",
            "PReLU.gradient_at_zero",
            "CELU.gradient_at_zero",
            "SELU.gradient_at_zero",
            "HardTanh.gradient_at_limits",
        ),
        fix={
            "torch": "y = torch.relu(x)  # rather than torch.maximum(x, torch.zeros_like(x))",
            "tensorflow": "y = tf.nn.relu(x)  # rather than tf.maximum(x, 0)",
            "jax": "y = jax.nn.relu(x)  # rather than jnp.maximum(x, 0)",
            "numpy": "dz = dy * (z > 0)  # 0 at the kink, as frameworks have it",
        },
        reference=(
            "Bertoin, Bolte, Gerchinovitz and Pauwels, \"Numerical influence of ReLU'(0) on "
            'backpropagation" (NeurIPS 2021)'
        ),
    ),
    Convention(
        id="max-tie-gradient",
        stage="gradient",
        title="gradient where the maximum is reached twice",
        statement=(
            "At a tie the gradient of a maximum is split evenly over the tied entries, sent to the "
            "first of them, or (in a hand-written mask `x == max`) given in full to each of them, "
            "which counts it several times."
        ),
        defaults={
            "torch": "max() and amax split evenly; max(dim) and max pooling pick one entry",
            "tensorflow": "reduce_max splits evenly; pooling picks the first",
            "jax": "max splits evenly; pooling picks the first",
            "numpy": "the mask x == x.max() gives every tied entry the full gradient",
        },
        signature="differences only at exact ties, such as equal pixels after a ReLU",
        imitate='MaxPool2D(2, ties="all")',
        switches=("MaxPool2D.ties",),
        fix={
            "torch": "y = x.amax(dim)  # or x.max(dim).values, which picks one",
            "numpy": (
                "mask = x == x.max(axis, keepdims=True); dx = dy * mask / mask.sum(axis, "
                "keepdims=True)"
            ),
        },
        reference="PyTorch documentation, torch.amax",
    ),
    Convention(
        id="grad-accumulate-default",
        stage="gradient",
        title="gradients accumulate unless cleared",
        statement=(
            "`backward()` in torch adds to `.grad`; it must be cleared before each step. Gradient "
            "functions in TensorFlow, Keras and JAX return fresh values each time. Without "
            "clearing, step t uses the sum of all gradients so far."
        ),
        defaults={
            "torch": "accumulates into .grad until zero_grad()",
            "keras": "fresh at each step",
            "jax": "fresh at each call",
        },
        signature="gradient at step t = sum of the other side's gradients of steps 1…t",
        left_out="gradients are new at each step; nothing piles up",
        fix={
            "torch": "optimizer.zero_grad()  # before loss.backward()",
            "numpy": "gradients = [np.zeros_like(w) for w in weights]  # at the start of each step",
        },
        reference="PyTorch documentation, torch.optim.Optimizer.zero_grad",
        not_injectable="the missing call is what acts: it is changed as gradients-not-zeroed",
    ),
    Convention(
        id="softmax-grad-extra-batch",
        stage="gradient",
        title="division by the batch, twice or never",
        statement=(
            "The gradient of a mean over N rows is (p - y)/N. A backward pass that leaves the "
            "division out, or divides once in the loss and again in the update, has a gradient N "
            "times too large or too small, while the loss agrees."
        ),
        defaults={
            "numpy": "`dscores /= N` forgotten, or done in both the loss and the update",
        },
        signature=(
            "gradient ratio equals the batch size (or its inverse) in all parameters, losses "
            "equal; the ratio follows the batch size"
        ),
        left_out="a bug of one side: set by the diagnosis on its twin, not in the network",
        fix={
            "numpy": "dscores = (probabilities - one_hot) / len(x)  # once, and nowhere else",
        },
        reference='Stanford CS231n notes, "Putting it together: Minimal Neural Network Case Study"',
        bug=True,
    ),
    Convention(
        id="gradient-factor",
        stage="gradient",
        title="gradient is a multiple of the loss's gradient",
        statement=(
            "The backward pass computes c·∂L/∂w with one constant c ≠ 1 for all parameters, L "
            "being the loss that the same side reports. For plain SGD it acts as a learning rate "
            "of c·η; Adam hides it."
        ),
        signature=(
            "gradient / numerical gradient of its own loss = c in every parameter, at every batch "
            "size"
        ),
        left_out="a bug of one side: set by the diagnosis on its twin, not in the network",
        fix={
            "torch": "loss = {value} * loss  # so that loss and gradient belong together",
            "numpy": "dscores *= {value}",
        },
        reference=(
            'Baydin et al., "Automatic Differentiation in Machine Learning: a Survey" (2018); '
            "Stanford CS231n notes on gradient checks"
        ),
    ),
    Convention(
        id="softmax-jacobian-diagonal",
        stage="gradient",
        title="softmax backward without its off-diagonal terms",
        statement=(
            "The derivative of softmax is ∂pᵢ/∂zⱼ = pᵢ(δᵢⱼ - pⱼ). A backward pass with the "
            "diagonal p(1 - p) alone, as for a sigmoid, drops the coupling between classes: dz = "
            "dy·p(1 - p) in place of p·(dy - Σdy·p)."
        ),
        signature=(
            "gradient at the logits equals dy·p·(1 - p) and not p·(dy - Σⱼdyⱼpⱼ); with "
            "cross-entropy only the true class's entry agrees"
        ),
        left_out="a bug of one side, not in the network",
        fix={
            "numpy": "dz = p * (dy - np.sum(dy * p, axis=-1, keepdims=True))",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 6.2.2.3',
        bug=True,
    ),
    Convention(
        id="layer-gradient-misplaced",
        stage="gradient",
        title="a layer's gradient stored in another layer's place",
        statement=(
            "With delta(l) the gradient at layer l's output and a(l-1) its input, layer l must "
            "receive dW(l) = a(l-1)ᵀ·delta(l) and db(l) = Σdelta(l). A backward loop that counts "
            "from the top while it stores by another counter pairs a delta with the wrong layer or "
            "the wrong input. Where widths are equal nothing raises; with two weight layers the "
            "indices can be right by chance."
        ),
        defaults={
            "numpy": "indices like n - 3 - l in a loop that already counts backward",
        },
        signature=(
            "a layer's gradient equals a(j)ᵀ·delta(k) of other layers; the outermost layer is "
            "right, forward and loss agree"
        ),
        left_out="a bug of one side: set by the diagnosis on its twin, not in the network",
        fix={
            "numpy": (
                "dW[l] = activations[l].T @ delta[l]; db[l] = delta[l].sum(axis=0)  # one index l; "
                "activations[l] is layer l's input"
            ),
        },
        reference=(
            'Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" '
            '(1986); Nielsen, "Neural Networks and Deep Learning", chapter 2'
        ),
        bug=True,
    ),
    Convention(
        id="dropout-gradient-missing",
        stage="gradient",
        title="dropout's mask is not applied backward",
        statement=(
            "Inverted dropout is y = x·m/(1 - p) with a mask m of zeros and ones, so that dx = "
            "dy·m/(1 - p). A backward pass that goes on with dy sends gradient through dropped "
            "units and loses the factor 1/(1 - p): all parameters below the dropout get wrong "
            "gradients, those above it are right."
        ),
        defaults={
            "numpy": (
                "`dout = dropout_backward(dhidden, cache)` is computed, and the next line goes on "
                "with `dhidden`"
            ),
        },
        signature=(
            "gradient below the layer matches dx = dy; forward, loss and the gradients above "
            "agree; no difference at rate 0"
        ),
        imitate="Dropout(0.5, mask_in_backward=False)",
        switches=("Dropout.mask_in_backward",),
        fix={
            "numpy": "dhidden = dropout_backward(dhidden, cache)  # and go on with this value",
        },
        reference=(
            'Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from '
            'Overfitting" (JMLR 2014)'
        ),
        bug=True,
    ),
    Convention(
        id="gradient-wrong",
        stage="gradient",
        title="gradient fails the check in no known way",
        statement=(
            "The side's gradient is not the derivative of its own loss, beyond what rounding and "
            "kinks explain, and no known mistake reproduces it."
        ),
        signature=(
            "analytic and central-difference gradients disagree far above the check's rounding "
            "error"
        ),
        left_out="any mistake whatever: there is no switch for it",
        fix={
            "torch": (
                "torch.autograd.gradcheck(function, inputs)  # in float64, to find the operation"
            ),
            "numpy": (
                "numerical = (loss(w + h) - loss(w - h)) / (2 * h)  # compare entry by entry in "
                "float64"
            ),
        },
        reference='Stanford CS231n notes, "Neural Networks Part 3: gradient checks"',
        bug=True,
    ),
)
