"""The story keras-l2."""
