"""A modular hinge-loss network in the cs231n manner, and the same network in PyTorch."""
