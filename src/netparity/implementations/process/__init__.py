"""Implementations that live in another process.

``Process`` starts one and asks it; ``Elsewhere`` is a program loaded there, ``RemoteSide`` the
implementation it built, which answers as any other does. ``worker`` is what runs on the far
side. Messages are a small tree in msgpack and the raw bytes of its arrays: nothing is pickled,
and of classes only netparity's own dataclasses come into being.
"""

from netparity.implementations.process.process import Process
from netparity.implementations.process.programs import Elsewhere, load_both
from netparity.implementations.process.side import RemoteSide

__all__ = ["Elsewhere", "Process", "RemoteSide", "load_both"]
