"""From a spec to a network."""

import math

import keras
import numpy as np
from keras import layers

from ablation.layers import Conv2D, Dropout, FusedBatchNormalization, PatchWhitening, SigmoidGelu
from ablation.losses import clipped_categorical_crossentropy
from ablation.optimizers import optimizer_of

DENSE_UNITS = 512
SAMPLE = 5000  # images that are enough to know the mean, the spread and the covariance of patches


def build(spec, images, classes):
    """Return the compiled Keras model of a ModelSpec.

    images: (n, height, width, 3) float32, those it will be trained on. The architecture "cifar10_cnn" sees
    of them only the shape and n, from which the steps of the training follow.

    Initial weights and dropout follow from keras.utils.set_random_seed, the precision of the
    layers from keras.config.set_dtype_policy; the softmax and the loss are float32 under any.
    """
    model = ARCHITECTURES[spec.architecture](spec, images, classes)
    model.compile(
        optimizer=optimizer_of(spec, steps_in_all(spec, len(images))),
        loss=clipped_categorical_crossentropy,
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def steps_in_all(spec, n):
    """Return the number of gradient steps of a training on n images, the last batch of an epoch short."""
    return spec.epochs * math.ceil(n / spec.batch_size)


def cifar10_cnn(spec, images, classes):
    """Return the notebook's network, which is that of Keras's example of this name.

    Two blocks of two 3x3 valid convolutions, a 2x2 max-pool and a dropout each; a dense
    layer of 512 and its dropout; a softmax. Kernels are glorot-uniform, biases zero,
    BatchNorm has momentum 0.99 and epsilon 0.001.
    """
    model = keras.Sequential([keras.Input(images.shape[1:])])
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
    return model


def airbench(spec, images, classes):
    """Return the network of K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.

    Channels scaled to mean 0 and variance 1; 2x2 convolutions of 24 filters, which whiten patches and
    stay as they are where spec.first_layer is "patch_whitening", or are learned; three
    blocks of two 3x3 convolutions, the first pooled, each followed by BatchNorm (momentum 0.6, no scale) and
    GELU; a global max-pool, and a softmax of a ninth of the logits. Filters of a block start as the identity
    as far as there are input channels, all others uniform in +-1 / sqrt(fan-in). What is not the paper's: GELU in its
    sigmoid form, and BatchNorm's epsilon of 1e-5, the least that cuDNN takes.
    """
    sample = images[:SAMPLE]
    scale = layers.Normalization(
        mean=sample.mean((0, 1, 2), dtype=np.float64), variance=sample.var((0, 1, 2), dtype=np.float64), dtype="float32"
    )
    uniform = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    model = keras.Sequential([keras.Input(images.shape[1:]), scale])
    if spec.first_layer == "patch_whitening":
        model.add(PatchWhitening(24, 2, dtype="float32"))  # it magnifies what bfloat16 rounds
        model.layers[-1].kernel.assign(whitening_kernel(scale(sample).numpy()))
    else:
        model.add(Conv2D(24, 2, kernel_initializer=uniform))
    model.add(SigmoidGelu())
    for width in spec.channels:
        for pool in (True, False):
            known = model.output_shape[-1]
            model.add(Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer=uniform))
            kernel = model.layers[-1].kernel
            kernel.assign(with_identity(kernel.numpy(), known))
            if pool:
                model.add(layers.MaxPooling2D(2))
            model.add(FusedBatchNormalization(momentum=0.6, epsilon=1e-5, scale=False))
            model.add(SigmoidGelu())
    model.add(layers.GlobalMaxPooling2D())
    model.add(layers.Dense(classes, use_bias=False, kernel_initializer=uniform))
    model.add(layers.Rescaling(1 / 9, dtype="float32"))
    model.add(layers.Softmax(dtype="float32"))
    return model


ARCHITECTURES = {"cifar10_cnn": cifar10_cnn, "airbench": airbench}


def whitening_kernel(images):
    """Return the (2, 2, 3, 24) float32 kernel whose outputs on 2x2 patches of the images are white, of both signs.

    images: (n, height, width, 3) float32, centred. Eigenvectors of the patches' covariance over the roots of its
    eigenvalues plus 5e-4, the directions of most variance first, and their negatives.
    """
    pixels = [images[:, y : y - 1 or None, x : x - 1 or None].reshape(-1, 3) for y in (0, 1) for x in (0, 1)]
    covariance = np.block([[one.T @ other for other in pixels] for one in pixels]) / len(pixels[0])
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    filters = (eigenvectors / np.sqrt(eigenvalues + 5e-4))[:, ::-1].reshape(2, 2, 3, 12)  # the largest first
    return np.concatenate([filters, -filters], axis=-1).astype(np.float32)


def with_identity(kernel, channels):
    """Return a (height, width, channels, filters) kernel whose first filters pass on one channel each."""
    kernel = kernel.copy()
    filters = min(channels, kernel.shape[-1])
    kernel[..., :filters] = 0
    kernel[kernel.shape[0] // 2, kernel.shape[1] // 2, range(filters), range(filters)] = 1
    return kernel
