"""Makes pairs of programs whose differences are known, and scores what is said about them."""
