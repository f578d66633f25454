"""Searching for the configuration that validates best (``netparity tune``)."""
