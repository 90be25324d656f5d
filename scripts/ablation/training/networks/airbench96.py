"""The network for 96% of K. Jordan's repository cifar10-airbench, 2024 (legacy/airbench96.py)."""

from typing import Literal

import keras
import numpy as np

from ablation.training.networks.airbench import (
    SigmoidGelu,
    class_probabilities,
    convolve_and_normalize,
    first_features,
    uniform_initializer,
)


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    images: np.ndarray,
    *,
    channels: tuple[int, int, int] = (128, 384, 512),
    first_layer: Literal["patch_whitening", "learned"] = "patch_whitening",
) -> keras.Model:
    """Return the model of legacy/airbench96.py, not compiled; the paper's of that name is wider and has another GELU.

    As `airbench.build`, but a block has a third convolution, and a shortcut around the second and third that ends
    before the last GELU; BatchNorm's momentum is 0.9. images: as there.
    """
    inputs, uniform = keras.Input(input_shape), uniform_initializer()
    x = first_features(inputs, images, first_layer, uniform)
    for width in channels:
        x = SigmoidGelu()(convolve_and_normalize(x, width, uniform, momentum=0.9, pool=True))
        residual = SigmoidGelu()(convolve_and_normalize(x, width, uniform, momentum=0.9, pool=False))
        residual = convolve_and_normalize(residual, width, uniform, momentum=0.9, pool=False)
        x = SigmoidGelu()(keras.layers.Add()([x, residual]))
    return keras.Model(inputs, class_probabilities(x, classes, uniform))
