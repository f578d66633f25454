"""The story keras-l2-deep."""
