"""A sigmoid network with L2 regularization, from scratch in NumPy.

Examples are columns. The cost of one example is 0.1 * sum((a - y)**2), so the ten outputs
are averaged, and the weights pay 0.5 * lambda * sum(w**2) on top.
"""

import numpy as np

ETA = 0.5
LAMBDA = 0.125


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(a):
    # from the activation, not from z
    return a * (1.0 - a)


class Network:
    """Layers of sigmoids, for example Network([64, 30, 10])."""

    def __init__(self, sizes, lmbda=LAMBDA):
        self.lmbda = lmbda
        # all zero for now, so that Keras can start from the very same place
        self.weights = [np.zeros((n, m)) for m, n in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.zeros((n, 1)) for n in sizes[1:]]
        self.cost = None

    def feedforward(self, x):
        """The activations of all layers, the input first."""
        activations = [x]
        for w, b in zip(self.weights, self.biases):
            activations.append(sigmoid(np.dot(w, activations[-1]) + b))
        return activations

    def total_cost(self, a, y):
        data = 0.1 * np.sum((a - y) ** 2) / y.shape[1]
        penalty = 0.5 * self.lmbda * sum(np.sum(w**2) for w in self.weights)
        return data + penalty

    def backprop(self, activations, y):
        """dW and dB of the data cost, summed over the examples."""
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
            self.weights[i][:] = self.weights[i] * (1 - self.lmbda * eta) - (eta / n) * dW[i]
            self.biases[i][:] = self.biases[i] - (eta / n) * dB[i]

    def train(self, x, y, epochs):
        for epoch in range(epochs):
            self.update(x, y)
            print(f"epoch {epoch + 1}: cost {self.cost:.10f}")


def main():
    from netparity.cases.keras_l2.data import data
    from netparity.datasets import load

    x, y = data(load("digits"))
    Network([64, 30, 10]).train(x.T, y.T, epochs=20)


def build(seed=0, features=64, lmbda=LAMBDA):
    """For netparity, which keeps examples in rows."""
    import netparity

    net = Network([features, 30, 10], lmbda)
    names = ["W1", "W2", "b1", "b2"]

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


def build_mnist(seed=0):
    return build(seed, features=784)


def build_lambda_zero(seed=0):
    return build(seed, lmbda=0.0)


def build_lambda_tenth(seed=0):
    return build(seed, lmbda=0.1)


if __name__ == "__main__":
    main()
