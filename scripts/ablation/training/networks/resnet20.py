"""The residual network for small images of K. He et al., "Deep Residual Learning for Image Recognition", 2015, 4.2."""

from typing import Literal

import keras
from keras import layers, ops


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    depth: int = 20,
    width: int = 16,
    shortcut: Literal["projection", "padding"] = "projection",
    l2: float = 0.0,
) -> keras.Model:
    """Return the model: a convolution, three stages of (depth - 2) / 6 residual blocks, a global mean and a softmax.

    Stages have `width`, 2 `width` and 4 `width` channels; the second and the third begin with a stride of 2. There the
    shortcut is a 1x1 convolution with BatchNorm (the paper's option B), or takes every second pixel and pads channels
    with zeros (option A, which has no parameters). Kernels start as K. He et al., "Delving Deep into Rectifiers", 2015.

    l2: penalty of the kernels; times the sum of their squares, it is added to the loss. The paper's weight decay of
    1e-4 is 5e-5.
    """
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"depth must be 8, 14, 20, 26, 32 or so on, not {depth}")
    penalty = keras.regularizers.L2(l2) if l2 else None
    options = {"use_bias": False, "kernel_initializer": "he_normal", "kernel_regularizer": penalty}

    def convolve(x, channels, size, stride):
        x = layers.Conv2D(channels, size, stride, padding="same", **options)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input(input_shape)
    x = layers.ReLU()(convolve(inputs, width, 3, 1))
    for stage in range(3):
        channels = width * 2**stage
        for block in range((depth - 2) // 6):
            stride = 2 if stage and not block else 1
            residual = layers.ReLU()(convolve(x, channels, 3, stride))
            residual = convolve(residual, channels, 3, 1)
            if stride == 2 and shortcut == "projection":
                x = convolve(x, channels, 1, 2)
            elif stride == 2:
                added = channels - channels // 2
                x = ops.pad(x[:, ::2, ::2], [(0, 0), (0, 0), (0, 0), (added // 2, added - added // 2)])
            x = layers.ReLU()(layers.Add()([x, residual]))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", kernel_regularizer=penalty)(x)
    return keras.Model(inputs, outputs)
