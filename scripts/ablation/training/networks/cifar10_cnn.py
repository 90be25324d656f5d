"""The notebook's network, which is that of Keras's example of this name."""

import keras
import numpy as np
from keras import layers

from ablation.settings.specs import ModelSpec
from ablation.training.layers import FastConv2D, FastDropout, FusedBatchNormalization

DENSE_UNITS = 512


def build(spec: ModelSpec, images: np.ndarray, classes: int) -> keras.Model:
    """Return the model, not compiled.

    Two blocks of two 3x3 valid convolutions, a 2x2 max-pool and a dropout each; a dense
    layer of 512 and its dropout; a softmax. Kernels are glorot-uniform, biases zero,
    BatchNorm has momentum 0.99 and epsilon 0.001.

    images: (n, height, width, 3) float32, of which only the shape counts.
    """
    model = keras.Sequential([keras.Input(images.shape[1:])])
    for block in (0, 1):
        for convolution in (0, 1):
            model.add(FastConv2D(spec.channels[2 * block + convolution], 3))
            if spec.batch_normalization == "before_relu":
                model.add(FusedBatchNormalization())
            model.add(layers.ReLU())
        if spec.batch_normalization == "before_pool":
            model.add(FusedBatchNormalization())
        model.add(layers.MaxPooling2D(2))
        model.add(FastDropout(spec.dropout[block]))
        if spec.batch_normalization == "after_first_dropout" and block == 0:
            model.add(FusedBatchNormalization())
    model.add(layers.Flatten())
    model.add(layers.Dense(DENSE_UNITS, activation="relu"))
    model.add(FastDropout(spec.dropout[2]))
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    return model
