"""The diagnosis: two implementations in, the causes of their difference out, each proven.

``adapt → align → observe → locate → explain → verify → attribute → report``, one way. Every
stage is observed with equal inputs on both sides, so all causes show in one pass, each in
its own stage; then the two are let go freely, and the verified causes must account for what
is seen.
"""

from netparity.diagnosis.pipeline import compare

__all__ = ["compare"]
