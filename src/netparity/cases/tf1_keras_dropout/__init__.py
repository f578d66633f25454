"""The story tf1-keras-dropout."""
