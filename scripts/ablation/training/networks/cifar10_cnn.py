"""The notebook's network, which is that of Keras's example of this name."""

from typing import Literal

import keras
from keras import layers

from ablation.training.layers import FastConv2D, FastDropout, FusedBatchNormalization

DENSE_UNITS = 512


def build(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: tuple[int, int, int, int] = (32, 64, 64, 64),
    batch_normalization: Literal["none", "after_first_dropout", "before_pool", "before_relu"] = "none",
    dropout: tuple[float, float, float] = (0.25, 0.25, 0.5),
) -> keras.Model:
    """Return the model, not compiled.

    Two blocks of two 3x3 valid convolutions, a 2x2 max-pool and a dropout each; a dense
    layer of 512 and its dropout; a softmax. Kernels are glorot-uniform, biases zero,
    BatchNorm has momentum 0.99 and epsilon 0.001.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for block in (0, 1):
        for convolution in (0, 1):
            model.add(FastConv2D(channels[2 * block + convolution], 3))
            if batch_normalization == "before_relu":
                model.add(FusedBatchNormalization())
            model.add(layers.ReLU())
        if batch_normalization == "before_pool":
            model.add(FusedBatchNormalization())
        model.add(layers.MaxPooling2D(2))
        model.add(FastDropout(dropout[block]))
        if batch_normalization == "after_first_dropout" and block == 0:
            model.add(FusedBatchNormalization())
    model.add(layers.Flatten())
    model.add(layers.Dense(DENSE_UNITS, activation="relu"))
    model.add(FastDropout(dropout[2]))
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return model
