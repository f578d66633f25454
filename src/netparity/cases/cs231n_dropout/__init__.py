"""A dropout network in the cs231n manner, and the same network in PyTorch."""
