"""Pixels as numbers."""

import numpy as np


def scale(images):
    """Return uint8 images of any shape as float32 between 0 and 1."""
    return images.astype(np.float32) / np.float32(255)


def network_input(images):
    """Return images as a network sees them: whitened float32 as they are, uint8 pixels scaled."""
    return scale(images) if images.dtype == np.uint8 else images
