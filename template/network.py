"""A network of one's own, for `architecture: network.py` in config.yaml."""

import keras
from keras import layers


def build(input_shape: tuple[int, int, int], classes: int, *, width: int = 16) -> keras.Model:
    """Return a network from images of (height, width, channels) to the probabilities of the classes."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * width, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax", dtype="float32"),
        ]
    )
