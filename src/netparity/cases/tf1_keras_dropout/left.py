"""Digits with a deep ReLU network in TensorFlow 1: placeholders, graph, session."""

import numpy as np
import tensorflow.compat.v1 as tf

tf.logging.set_verbosity(tf.logging.ERROR)

LEARNING_RATE = 0.001
KEEP_PROB = 0.7
BATCH_SIZE = 100
EPOCHS = 30
N_HIDDEN = [256, 256, 256, 256]
N_CLASSES = 10


class Classifier:
    def __init__(self, n_input, seed):
        self.logs = {}
        seed = 1000 * seed  # no two runs share the seed of an op
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.x = tf.placeholder(tf.float32, [None, n_input], name="x")
            self.y = tf.placeholder(tf.float32, [None, N_CLASSES], name="y")
            self.keep_prob = tf.placeholder(tf.float32, [], name="keep_prob")

            layer, n_in = self.x, n_input
            for i, n_out in enumerate(N_HIDDEN, start=1):
                w, b = self.variables(str(i), n_in, n_out, seed + 2 * i)
                layer = tf.nn.relu(tf.add(tf.matmul(layer, w), b))
                layer = tf.nn.dropout(layer, keep_prob=self.keep_prob, seed=seed + 100 + i)
                n_in = n_out
            w, b = self.variables("_out", n_in, N_CLASSES, seed + 50)
            self.logits = tf.add(tf.matmul(layer, w), b)

            self.loss = tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits_v2(labels=self.y, logits=self.logits)
            )
            self.train_op = tf.train.AdamOptimizer(LEARNING_RATE).minimize(self.loss)
            correct = tf.equal(tf.argmax(self.logits, 1), tf.argmax(self.y, 1))
            self.accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))

            self.session = tf.Session(graph=self.graph)
            self.session.run(tf.global_variables_initializer())

    def variables(self, name, n_in, n_out, seed):
        glorot = tf.glorot_uniform_initializer(seed=seed)
        w = tf.Variable(glorot([n_in, n_out]), name="W" + name)
        b = tf.Variable(tf.random_normal([n_out], seed=seed + 1), name="b" + name)
        return w, b

    def evaluate(self, x, y):
        """Loss and accuracy, dropout off."""
        feed = {self.x: x, self.y: y, self.keep_prob: 1.0}
        return self.session.run([self.loss, self.accuracy], feed)

    def batches(self, x, y):
        """The batches of an epoch; each is looked at again once its update is done."""
        seen = []
        for i in range(0, len(x), BATCH_SIZE):
            batch_x, batch_y = x[i : i + BATCH_SIZE], y[i : i + BATCH_SIZE]
            yield batch_x, batch_y
            seen.append(self.evaluate(batch_x, batch_y))
        loss, accuracy = np.mean(seen, axis=0)
        self.logs = {"loss": loss, "accuracy": accuracy}

    def train_epoch(self, x, y):
        for batch_x, batch_y in self.batches(x, y):
            feed = {self.x: batch_x, self.y: batch_y, self.keep_prob: KEEP_PROB}
            self.session.run(self.train_op, feed)


def main():
    from netparity.cases.tf1_keras_dropout.data import everything
    from netparity.datasets import load

    x, y, x_test, y_test = everything(load("digits"))
    net = Classifier(x.shape[1], seed=0)
    for epoch in range(EPOCHS):
        net.train_epoch(x, y)
        print("{}: loss {loss:.4f} accuracy {accuracy:.4f}".format(epoch + 1, **net.logs))
    print("test accuracy {:.4f}".format(net.evaluate(x_test, y_test)[1]))


def build(seed=0, n_input=64):
    """For netparity."""
    import netparity

    net = Classifier(n_input, seed)
    return netparity.TensorFlowGraph(
        net.session,
        net.x,
        net.y,
        net.logits,
        net.loss,
        net.train_op,
        feeds={net.keep_prob: KEEP_PROB},
        inference_feeds={net.keep_prob: 1.0},
        batches=lambda x, y, epoch: net.batches(x, y),
        report=lambda x, y: net.logs,
        report_every="epoch",
    )


def build_mnist(seed=0):
    return build(seed, n_input=784)


if __name__ == "__main__":
    main()
