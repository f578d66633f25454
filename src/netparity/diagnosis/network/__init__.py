"""The network behind a side that declares none, from the shapes of its arrays and its answers."""
