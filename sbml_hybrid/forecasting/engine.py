"""Keras, opened quietly and ready to train: import it from here, within the function that needs it."""

from __future__ import annotations

import logging
import os

from sbml_hybrid.quiet import quiet

log = logging.getLogger("sbml_hybrid")

# TensorFlow's own log, which only its authors read; a user who set it keeps it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

with quiet():
    import keras


def _let_memory_grow() -> None:
    """Let TensorFlow take a GPU's memory as it needs it, rather than all at once."""
    import tensorflow

    for gpu in tensorflow.config.list_physical_devices("GPU"):
        try:
            tensorflow.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            log.debug("%s is in use already; its memory is as the user has set it", gpu.name)


if keras.backend.backend() == "tensorflow":
    with quiet():
        _let_memory_grow()

__all__ = ["keras"]
