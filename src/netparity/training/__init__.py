"""Training a network of the reference library from a configuration (``netparity train``)."""
