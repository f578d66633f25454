"""The story keras-twins."""
