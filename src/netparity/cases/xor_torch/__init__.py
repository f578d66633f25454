"""XOR with a sigmoid network, in NumPy without biases and in PyTorch."""
