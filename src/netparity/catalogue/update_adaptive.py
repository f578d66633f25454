"""Optimizers that divide by running gradient statistics."""

from __future__ import annotations

from netparity.catalogue.entry import Convention, among

UPDATE_ADAPTIVE: tuple[Convention, ...] = (
    Convention(
        id="adam-epsilon-placement",
        stage="update",
        title="place of Adam's ε",
        statement=(
            "torch and optax divide by √v̂ + ε, with v̂ = v/(1 - β₂ᵗ). Keras, TF 1 and "
            "scikit-learn use η·√(1 - β₂ᵗ)/(1 - β₁ᵗ)·m/(√v + ε), the ε-hat form of the paper, "
            "which acts like ε/√(1 - β₂ᵗ) in the first: 31.6ε in step 1, falling to ε. With the "
            "default values Keras's first ε is 316 times torch's."
        ),
        defaults={
            "torch": "outside the root after correction: m̂/(√v̂ + ε), 1e-8",
            "keras": "ε-hat form: m/(√v + ε), 1e-7",
            "tensorflow": "TF 1: ε-hat form, 1e-8",
            "jax": "optax: outside, 1e-8; eps_root inside",
            "sklearn": "ε-hat form, 1e-8",
            "numpy": "mostly outside, 1e-8",
        },
        signature=(
            "first step ηg/(|g| + ε') with ε' = ε, or ε/√(1 - β₂) = 31.6ε; visible for small "
            "gradients"
        ),
        imitate='Adam(0.001, epsilon_placement="hat")',
        switches=("Adam.epsilon_placement",),
        fix={
            "torch:epsilon_placement": (
                "torch.optim.Adam(parameters, lr=lr, eps={value})  # ε/√(1 - β₂ᵗ) would be exact: "
                "take a tiny ε on both"
            ),
            "keras:epsilon_placement": (
                "keras.optimizers.Adam(lr, epsilon={value})  # a tiny ε on both sides"
            ),
            "tensorflow:epsilon_placement": (
                "tf.keras.optimizers.Adam(lr, epsilon={value})  # a tiny ε on both sides"
            ),
            "jax:epsilon_placement": "optax.adam(lr, eps={value})  # a tiny ε on both sides",
            "sklearn:epsilon_placement": (
                'MLPClassifier(solver="adam", epsilon={value})  # a tiny ε on both sides'
            ),
            "numpy": "w -= lr * m_hat / (np.sqrt(v_hat) + epsilon)  # v_hat = v / (1 - beta2**t)",
            "numpy:epsilon_placement=hat": (
                "w -= lr * np.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + epsilon)"
            ),
            "numpy:epsilon_placement=inside": "w -= lr * m_hat / np.sqrt(v_hat + epsilon)",
        },
        reference=(
            'Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), end of section 2'
        ),
    ),
    Convention(
        id="adam-amsgrad-form",
        stage="update",
        title="which v AMSGrad keeps",
        statement=(
            "AMSGrad divides by the largest v so far. torch and Keras take the maximum of v before "
            "bias correction, optax of the corrected v̂."
        ),
        defaults={
            "torch": "maximum of raw v, then corrected",
            "keras": "maximum of raw v",
            "jax": "optax.amsgrad: maximum of corrected v",
        },
        signature="steps differ early in training, when 1 - β₂ᵗ changes fast",
        imitate="Adam(0.001, amsgrad=True)",
        switches=("Adam.amsgrad_form",),
        fix={
            "torch": "torch.optim.Adam(parameters, lr=lr, amsgrad={value})",
            "keras": "keras.optimizers.Adam(lr, amsgrad={value})",
            "jax": "optax.amsgrad(lr)  # corrected maximum: change the other side",
        },
        reference='Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond" (2018)',
    ),
    Convention(
        id="adam-defaults",
        stage="update",
        title="default constants of Adam",
        statement=(
            "η = 1e-3, β₁ = 0.9 and β₂ = 0.999 everywhere; ε is 1e-8 except in Keras, where it is "
            "1e-7; optax wants the rate given."
        ),
        defaults={
            "torch": "lr=1e-3, eps=1e-8",
            "keras": "learning_rate=1e-3, epsilon=1e-7",
            "tensorflow": "TF 1: learning_rate=1e-3, epsilon=1e-8",
            "jax": "optax: eps=1e-8, rate required",
            "sklearn": "learning_rate_init=1e-3, epsilon=1e-8",
        },
        signature="steps differ where gradients are as small as ε",
        imitate='Adam(0.001, epsilon=1e-7, epsilon_placement="hat")',
        switches=("Adam.epsilon",),
        when=among("epsilon", 1e-8, 1e-7),
        fix={
            "torch": "torch.optim.Adam(parameters, eps={value})",
            "keras": "keras.optimizers.Adam(epsilon={value})",
            "tensorflow": "tf.compat.v1.train.AdamOptimizer(epsilon={value})",
            "jax": "optax.adam(lr, eps={value})",
            "sklearn": "MLPClassifier(epsilon={value})",
        },
        reference='Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015)',
    ),
    Convention(
        id="adam-bias-correction",
        stage="update",
        title="bias correction of Adam",
        statement=(
            "Without m̂ = m/(1 - β₁ᵗ) and v̂ = v/(1 - β₂ᵗ) the first step is (1 - β₁)/√(1 - β₂) = "
            "3.16 times too large; a counter that starts at 0, or counts epochs, spoils the "
            "correction."
        ),
        defaults={
            "torch": "corrected, t starts at 1",
            "keras": "corrected, t starts at 1",
            "jax": "corrected, t starts at 1",
            "numpy": "some programs forget it",
        },
        signature="step t has the ratio (1 - β₁ᵗ)/√(1 - β₂ᵗ), tending to 1",
        imitate="Adam(0.001, bias_correction=False)",
        switches=("Adam.bias_correction", "RMSProp.bias_correction"),
        fix={
            "numpy": "t += 1; m_hat = m / (1 - beta1 ** t); v_hat = v / (1 - beta2 ** t)",
        },
        reference='Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), section 3',
    ),
    Convention(
        id="beta-value",
        stage="update",
        title="decay rates of the moments",
        statement="Both sides use the same adaptive rule with another β₁, β₂ or rho.",
        signature="under zero gradient the moments decay by another factor",
        imitate="Adam(0.001, beta1=0.9, beta2=0.99)",
        switches=(
            "Adam.beta1",
            "Adam.beta2",
            "Adamax.beta1",
            "Adamax.beta2",
            "NAdam.beta1",
            "NAdam.beta2",
            "RAdam.beta1",
            "RAdam.beta2",
            "Lion.beta1",
            "Lion.beta2",
            "RMSProp.rho",
            "Adadelta.rho",
        ),
        fix={
            "torch": (
                "optimizer.param_groups[0].update(betas=({value}, "
                'optimizer.param_groups[0]["betas"][1]))  # or where it is made'
            ),
            "torch:beta2": (
                "optimizer.param_groups[0].update(betas="
                '(optimizer.param_groups[0]["betas"][0], {value}))  # or where it is made'
            ),
            "torch:rho": (
                "optimizer.param_groups[0].update(alpha={value})  # RMSprop; rho in Adadelta"
            ),
            "keras": "optimizer.beta_1 = {value}  # or where it is made",
            "keras:beta2": "optimizer.beta_2 = {value}  # or where it is made",
            "keras:rho": "optimizer.rho = {value}  # or where it is made",
            "tensorflow": "tf.compat.v1.train.AdamOptimizer(beta1={value})",
            "tensorflow:beta2": "tf.compat.v1.train.AdamOptimizer(beta2={value})",
            "tensorflow:rho": "tf.compat.v1.train.RMSPropOptimizer(lr, decay={value})",
            "jax": "optax.adam(lr, b1={value})",
            "jax:beta2": "optax.adam(lr, b2={value})",
            "jax:rho": "optax.rmsprop(lr, decay={value})",
            "sklearn": "MLPClassifier(beta_1={value})",
            "sklearn:beta2": "MLPClassifier(beta_2={value})",
            "numpy": "beta1 = {value}",
            "numpy:beta2": "beta2 = {value}",
            "numpy:rho": "rho = {value}",
        },
        reference='Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015)',
    ),
    Convention(
        id="epsilon-value",
        stage="update",
        title="ε of the optimizer",
        statement="Both sides place ε alike and give it another value.",
        signature="steps agree for large gradients and differ where |g| is near ε",
        imitate="Adam(0.001, epsilon=1e-7)",
        switches=(
            "Adam.epsilon",
            "Adamax.epsilon",
            "NAdam.epsilon",
            "RAdam.epsilon",
            "RMSProp.epsilon",
            "Adadelta.epsilon",
            "AdaGrad.epsilon",
        ),
        fix={
            "torch": "optimizer.param_groups[0].update(eps={value})  # or where it is made",
            "keras": "optimizer.epsilon = {value}  # or where it is made",
            "tensorflow": "tf.compat.v1.train.AdamOptimizer(epsilon={value})",
            "jax": "eps = {value}  # of the same optax transformation",
            "sklearn": "MLPClassifier(epsilon={value})",
            "numpy": "epsilon = {value}",
        },
        reference='Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015)',
    ),
    Convention(
        id="rmsprop-epsilon-placement",
        stage="update",
        title="RMSprop: place of ε, and constants",
        statement=(
            "torch moves by ηg/(√v + ε), Keras, TF 1 and optax by ηg/√(v + ε): for zero v the "
            "divisor is ε or √ε. The decay is 0.99 in torch and cs231n and 0.9 elsewhere, the rate "
            "1e-2 or 1e-3."
        ),
        defaults={
            "torch": "outside; alpha=0.99, eps=1e-8, lr=1e-2",
            "keras": "inside; rho=0.9, epsilon=1e-7, learning_rate=1e-3",
            "tensorflow": "TF 1: inside; epsilon=1e-10",
            "jax": "optax: inside (eps_in_sqrt=True); decay=0.9",
            "numpy": "cs231n: outside; decay 0.99",
        },
        signature="first step ηg/(√((1 - rho)g²) + ε) against ηg/√((1 - rho)g² + ε)",
        imitate='RMSProp(0.001, epsilon=1e-7, epsilon_placement="inside")',
        switches=("RMSProp.epsilon_placement",),
        fix={
            "torch:epsilon_placement": (
                "torch.optim.RMSprop(parameters, lr=lr, alpha=alpha, eps={value})  # a "
                "tiny ε on both sides"
            ),
            "keras:epsilon_placement": (
                "keras.optimizers.RMSprop(lr, rho=rho, epsilon={value})  # a tiny ε on both sides"
            ),
            "jax": "optax.rmsprop(lr, decay=decay, eps=eps, eps_in_sqrt=False)",
            "jax:epsilon_placement=inside": (
                "optax.rmsprop(lr, decay=decay, eps=eps, eps_in_sqrt=True)"
            ),
            "numpy": "w -= lr * g / (np.sqrt(v) + epsilon)",
            "numpy:epsilon_placement=inside": "w -= lr * g / np.sqrt(v + epsilon)",
        },
        reference=(
            'Hinton, Srivastava and Swersky, "Neural Networks for Machine Learning", lecture 6e; '
            "PyTorch documentation, torch.optim.RMSprop"
        ),
    ),
    Convention(
        id="rmsprop-initial-accumulator",
        stage="update",
        title="start of RMSprop's accumulator",
        statement=(
            "v starts at 0 in torch, Keras and optax and at 1 in TF 1. From 0 the first step is "
            "near η/√(1 - rho) whatever g is; from 1 it is near ηg."
        ),
        defaults={
            "torch": "0",
            "keras": "0",
            "tensorflow": "TF 1: ones",
            "jax": "optax initial_scale=0.0",
        },
        signature="first step proportional to g, or to sign(g)",
        imitate="RMSProp(0.001, initial_accumulator=1.0)",
        switches=("RMSProp.initial_accumulator",),
        fix={
            "torch": 'optimizer.state[p]["square_avg"].fill_({value})',
            "keras": "[v.assign(keras.ops.ones_like(v) * {value}) for v in optimizer._velocities]",
            "jax": "optax.rmsprop(lr, initial_scale={value})",
        },
        reference=(
            "TensorFlow documentation, tf.compat.v1.train.RMSPropOptimizer; optax documentation, "
            "rmsprop"
        ),
    ),
    Convention(
        id="rmsprop-centered",
        stage="update",
        title="centred RMSprop",
        statement=(
            "The centred form divides by the deviation √(v - a²), a being the running mean of g: "
            "torch adds ε to the root, Keras inside it."
        ),
        defaults={
            "torch": "√(v - a²) + ε",
            "keras": "√(v - a² + ε)",
        },
        signature="differs from the plain form where gradients keep their sign",
        imitate="RMSProp(0.001, centered=True)",
        switches=("RMSProp.centered",),
        fix={
            "torch": "torch.optim.RMSprop(parameters, centered={value})",
            "keras": "keras.optimizers.RMSprop(centered={value})",
        },
        reference='Graves, "Generating Sequences With Recurrent Neural Networks" (2013)',
    ),
    Convention(
        id="adagrad-accumulator-epsilon",
        stage="update",
        title="Adagrad: start of the accumulator, and ε",
        statement=(
            "torch starts the sum of squares at 0 and adds ε = 1e-10 to the root; Keras and optax "
            "start at 0.1 with ε = 1e-7 inside the root; TF 1 starts at 0.1 without ε. The first "
            "step is η·sign(g), or ηg/√(0.1 + g²)."
        ),
        defaults={
            "torch": "start 0, eps=1e-10 outside, lr=1e-2",
            "keras": "start 0.1, epsilon=1e-7 inside, learning_rate=1e-3",
            "tensorflow": "TF 1: start 0.1, no ε",
            "jax": "optax: start 0.1, eps=1e-7 inside",
        },
        signature="first step η·sign(g), or ηg/√(0.1 + g²)",
        imitate='AdaGrad(0.001, epsilon=1e-7, epsilon_placement="inside", initial_accumulator=0.1)',
        switches=("AdaGrad.epsilon_placement", "AdaGrad.initial_accumulator"),
        fix={
            "torch": "torch.optim.Adagrad(parameters, initial_accumulator_value={value})",
            "torch:epsilon_placement": (
                "torch.optim.Adagrad(parameters, lr=lr, eps={value})  # a tiny ε on both sides"
            ),
            "keras": "keras.optimizers.Adagrad(initial_accumulator_value={value})",
            "keras:epsilon_placement": (
                "keras.optimizers.Adagrad(lr, epsilon={value})  # a tiny ε on both sides"
            ),
            "tensorflow": (
                "tf.compat.v1.train.AdagradOptimizer(lr, initial_accumulator_value={value})"
            ),
            "jax": "optax.adagrad(lr, initial_accumulator_value={value})",
            "jax:epsilon_placement": "optax.adagrad(lr, eps={value})  # a tiny ε on both sides",
            "numpy": "cache = np.full_like(w, {value})",
            "numpy:epsilon_placement": (
                "w -= lr * g / (np.sqrt(cache) + {value})  # a tiny ε on both sides"
            ),
        },
        reference=(
            'Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and '
            'Stochastic Optimization" (2011)'
        ),
    ),
    Convention(
        id="adadelta-form",
        stage="update",
        title="default constants of Adadelta",
        statement=(
            "The formula is one, the constants are not: η = 1.0 in torch, as in the paper, and "
            "0.001 in Keras and TF 1, which makes steps a thousand times smaller."
        ),
        defaults={
            "torch": "lr=1.0, rho=0.9, eps=1e-6",
            "keras": "learning_rate=0.001, rho=0.95, epsilon=1e-7",
            "tensorflow": "TF 1: learning_rate=0.001, rho=0.95, epsilon=1e-8",
            "jax": "optax: rho=0.9, eps=1e-6",
        },
        signature="step ratio 1000",
        imitate="Adadelta(0.001, rho=0.95, epsilon=1e-7)",
        fix={
            "torch": "torch.optim.Adadelta(parameters, lr={value})",
            "keras": "keras.optimizers.Adadelta(learning_rate={value})",
            "tensorflow": "tf.compat.v1.train.AdadeltaOptimizer({value})",
            "jax": "optax.adadelta({value})",
        },
        reference='Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012)',
        not_injectable="the value is what acts: it is changed as learning-rate-value",
    ),
    Convention(
        id="adamax-epsilon",
        stage="update",
        title="ε of Adamax",
        statement=(
            "torch and optax keep u = max(β₂u, |g| + ε); Keras divides by u + ε. The rate is 2e-3 "
            "in torch and 1e-3 in Keras."
        ),
        defaults={
            "torch": "max(β₂u, |g| + ε); lr=2e-3",
            "keras": "m/(u + ε); learning_rate=1e-3",
            "jax": "max(β₂u, |g| + ε)",
        },
        signature="steps agree for large gradients",
        imitate='Adamax(0.001, epsilon_placement="outside")',
        switches=("Adamax.epsilon_placement",),
        fix={
            "torch": "torch.optim.Adamax(parameters, lr=lr, eps={value})",
            "keras": "keras.optimizers.Adamax(lr, epsilon={value})",
            "jax": "optax.adamax(lr, eps={value})",
        },
        reference='Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), section 7',
    ),
    Convention(
        id="nadam-form",
        stage="update",
        title="momentum schedule of Nadam",
        statement=(
            "torch's momentum is β₁(1 - ½·0.96^(0.004t)), Keras's β₁(1 - ½·0.96ᵗ), and optax has "
            "no schedule. The rate is 2e-3 in torch and 1e-3 in Keras."
        ),
        defaults={
            "torch": "momentum_decay=0.004; lr=2e-3",
            "keras": "exponent 1; learning_rate=1e-3",
            "jax": "optax.nadam: no schedule",
        },
        signature="steps differ in the first hundred updates",
        imitate="NAdam(0.001, momentum_decay=1.0)",
        switches=("NAdam.momentum_decay",),
        fix={
            "torch": (
                "torch.optim.NAdam(parameters, lr=lr, momentum_decay={value})  # 1.0 reproduces "
                "Keras"
            ),
            "keras": "keras.optimizers.Nadam(lr)  # fixed schedule: change the other side",
        },
        reference='Dozat, "Incorporating Nesterov Momentum into Adam" (2016)',
    ),
    Convention(
        id="other-optimizer-defaults",
        stage="update",
        title="default constants of optimizers other than Adam",
        statement=(
            "The ε of RMSprop is 1e-8 in torch and 1e-7 in Keras, and so are those of most other "
            "adaptive optimizers. torch LBFGS has rate 1 and 20 inner iterations, RAdam rate "
            "1e-3; Keras Ftrl rate 1e-3 and accumulator 0.1, Adafactor rate 1e-3. Give them "
            "explicitly on both sides."
        ),
        defaults={
            "torch": "LBFGS lr=1, max_iter=20; RAdam lr=1e-3",
            "keras": (
                "Ftrl learning_rate=1e-3, initial_accumulator_value=0.1; Adafactor "
                "learning_rate=1e-3"
            ),
        },
        signature="step ratio",
        imitate="RAdam(0.001)",
        switches=(
            "RMSProp.epsilon",
            "Adadelta.epsilon",
            "AdaGrad.epsilon",
            "Adamax.epsilon",
            "NAdam.epsilon",
            "RAdam.epsilon",
        ),
        when=among("epsilon", 1e-10, 1e-8, 1e-7, 1e-6, 1e-16),
        fix={
            "torch": "torch.optim.RAdam(parameters, lr={value})",
            "torch:epsilon": "optimizer.param_groups[0].update(eps={value})  # or where it is made",
            "keras": "keras.optimizers.Adafactor(learning_rate={value})",
            "keras:epsilon": "optimizer.epsilon = {value}  # or where it is made",
            "jax:epsilon": "eps = {value}  # of the same optax transformation",
            "numpy:epsilon": "epsilon = {value}",
        },
        reference='Keras documentation, "Optimizers"; PyTorch documentation, torch.optim',
    ),
    Convention(
        id="lion-form",
        stage="update",
        title="weight decay of Lion",
        statement=(
            "Lion moves by η·sign(β₁m + (1 - β₁)g). optax decays weights by 1e-3 unless told "
            "otherwise, Keras does not; torch has no Lion."
        ),
        defaults={
            "torch": "not available",
            "keras": "weight_decay=None",
            "jax": "optax.lion weight_decay=1e-3",
        },
        signature="Δ differs by ηλw",
        imitate="Lion(1e-4, weight_decay=1e-3)",
        fix={
            "keras": "keras.optimizers.Lion(lr, weight_decay={value})",
            "jax": "optax.lion(lr, weight_decay={value})",
        },
        reference='Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023)',
        not_injectable="the value is what acts: it is changed as penalty-value",
    ),
    Convention(
        id="muon-defaults",
        stage="update",
        title="defaults of Muon",
        statement=(
            "Rate 1e-3 and momentum 0.95 on both sides, but a weight decay of 0.1 in torch and "
            "0.004 in Keras."
        ),
        defaults={
            "torch": "lr=1e-3, weight_decay=0.1, momentum=0.95",
            "keras": "learning_rate=1e-3, weight_decay=0.004, momentum=0.95",
        },
        signature="Δ differs by ηλw",
        imitate="Muon(0.001, weight_decay=0.004)",
        switches=(
            "Muon.momentum",
            "Muon.nesterov",
            "Muon.steps",
            "Muon.coefficients",
            "Muon.epsilon",
            "Muon.epsilon_placement",
            "Muon.scale",
            "Muon.bias_correction",
        ),
        fix={
            "torch": "torch.optim.Muon(matrices, weight_decay={value})",
            "keras": "keras.optimizers.Muon(weight_decay={value})",
        },
        reference='PyTorch documentation, torch.optim.Muon; Keras documentation, "Muon"',
        not_injectable="the value is what acts: it is changed as penalty-value",
    ),
)
