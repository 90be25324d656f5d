"""From a spec to a network."""

import keras
from keras import layers

from ablation.layers import Conv2D, Dropout, FusedBatchNormalization
from ablation.losses import clipped_categorical_crossentropy
from ablation.optimizers import adadelta

DENSE_UNITS = 512


def build(spec, input_shape, classes):
    """Return the compiled Keras model of a ModelSpec.

    Two blocks of two 3x3 valid convolutions, a 2x2 max-pool and a dropout each; a dense
    layer of 512 and its dropout; a softmax. Kernels are glorot-uniform, biases zero,
    BatchNorm has momentum 0.99 and epsilon 0.001. input_shape: (height, width, 3).

    Initial weights and dropout follow from keras.utils.set_random_seed, the precision of the
    layers from keras.config.set_dtype_policy; the softmax and the loss are float32 under any.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for block in (0, 1):
        for convolution in (0, 1):
            model.add(Conv2D(spec.channels[2 * block + convolution], 3))
            if spec.batch_normalization == "before_relu":
                model.add(FusedBatchNormalization())
            model.add(layers.ReLU())
        if spec.batch_normalization == "before_pool":
            model.add(FusedBatchNormalization())
        model.add(layers.MaxPooling2D(2))
        model.add(Dropout(spec.dropout[block]))
        if spec.batch_normalization == "after_first_dropout" and block == 0:
            model.add(FusedBatchNormalization())
    model.add(layers.Flatten())
    model.add(layers.Dense(DENSE_UNITS, activation="relu"))
    model.add(Dropout(spec.dropout[2]))
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    model.compile(
        optimizer=adadelta(spec.learning_rate, spec.decay),
        loss=clipped_categorical_crossentropy,
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    return model
