"""The sigmoid network again, now deeper: 64-64-64-10, normal weights, no regularization.

Examples are columns. The cost of one example is 0.1 * sum((a - y)**2), so the ten outputs
are averaged. The class takes any number of layers, so backprop did not have to change.
"""

import numpy as np

ETA = 0.5
SIZES = [64, 64, 64, 10]


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(a):
    # from the activation, not from z
    return a * (1.0 - a)


def draw(sizes, seed):
    """Weights (out, in) and biases (out, 1), all from N(0, 1); Keras gets copies of them."""
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((n, m)) for m, n in zip(sizes[:-1], sizes[1:])]
    biases = [rng.standard_normal((n, 1)) for n in sizes[1:]]
    return weights, biases


class Network:
    """Layers of sigmoids, as many as there are weights."""

    def __init__(self, weights, biases):
        self.weights = weights
        self.biases = biases
        self.cost = None

    def feedforward(self, x):
        """The activations of all layers, the input first."""
        activations = [x]
        for w, b in zip(self.weights, self.biases):
            activations.append(sigmoid(np.dot(w, activations[-1]) + b))
        return activations

    def total_cost(self, a, y):
        return 0.1 * np.sum((a - y) ** 2) / y.shape[1]

    def backprop(self, activations, y):
        """dW and dB of the cost, summed over the examples."""
        n = len(activations)
        dW = [np.zeros(w.shape) for w in self.weights]
        dB = [np.zeros(b.shape) for b in self.biases]
        dZ = 0.2 * (activations[-1] - y) * sigmoid_prime(activations[-1])
        dW[-1][:] = np.dot(dZ, activations[-2].T)
        dB[-1][:] = dZ.sum(axis=1, keepdims=True)
        for l in range(n - 2):
            dZ = np.dot(self.weights[-1 - l].T, dZ) * sigmoid_prime(activations[-2 - l])
            dW[l][:] = np.dot(dZ, activations[max(0, n - 3 - l)].T)
            dB[l][:] = dZ.sum(axis=1, keepdims=True)
        return dW, dB

    def update(self, x, y, eta=ETA):
        """One step of gradient descent on all examples; the cost is the one before it."""
        n = x.shape[1]
        activations = self.feedforward(x)
        self.cost = self.total_cost(activations[-1], y)
        dW, dB = self.backprop(activations, y)
        for i in range(len(dW)):
            self.weights[i][:] = self.weights[i] - (eta / n) * dW[i]
            self.biases[i][:] = self.biases[i] - (eta / n) * dB[i]

    def train(self, x, y, epochs):
        for epoch in range(epochs):
            self.update(x, y)
            print(f"epoch {epoch + 1}: cost {self.cost:.10f}")


def main():
    from netparity.cases.keras_l2_deep.data import data
    from netparity.datasets import load

    x, y = data(load("digits"))
    Network(*draw(SIZES, seed=0)).train(x.T, y.T, epochs=20)


def build(seed=0, sizes=SIZES):
    """For netparity, which keeps examples in rows."""
    import netparity

    net = Network(*draw(sizes, seed))
    layers = range(1, len(sizes))
    names = [f"W{i}" for i in layers] + [f"b{i}" for i in layers]

    def gradients(x, y):
        dW, dB = net.backprop(net.feedforward(x.T), y.T)
        return {name: d / len(x) for name, d in zip(names, dW + dB)}

    return netparity.Scratch(
        parameters=dict(zip(names, net.weights + net.biases)),
        predict=lambda x: net.feedforward(x.T)[-1].T,
        loss=lambda x, y: net.total_cost(net.feedforward(x.T)[-1], y.T),
        gradients=gradients,
        step=lambda x, y: net.update(x.T, y.T),
        batches=lambda x, y, epoch: [(x, y)],
        report=lambda x, y: {"loss": net.cost},
    )


def build_two_layers(seed=0):
    return build(seed, [64, 64, 10])


def build_unequal(seed=0):
    return build(seed, [64, 48, 32, 10])


if __name__ == "__main__":
    main()
