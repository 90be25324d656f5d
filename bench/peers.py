"""The same networks as a user would write them without this workflow: plain Keras, and PyTorch."""

DENSE_UNITS = 512


def keras_model(spec, input_shape=(32, 32, 3), classes=10):
    """Return the compiled model of a spec from Keras's own layers, loss and optimizer."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input(input_shape)])
    normalized = spec.batch_normalization == "before_relu"
    for block in (0, 1):
        for convolution in (0, 1):
            model.add(
                layers.Conv2D(spec.channels[2 * block + convolution], 3, activation=None if normalized else "relu")
            )
            if normalized:
                model.add(layers.BatchNormalization())
                model.add(layers.Activation("relu"))
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(spec.dropout[block]))
    model.add(layers.Flatten())
    model.add(layers.Dense(DENSE_UNITS, activation="relu"))
    model.add(layers.Dropout(spec.dropout[2]))
    model.add(layers.Dense(classes, activation="softmax", dtype="float32"))
    schedule = keras.optimizers.schedules.InverseTimeDecay(spec.learning_rate, decay_steps=1, decay_rate=spec.decay)
    model.compile(
        optimizer=keras.optimizers.Adadelta(schedule, rho=0.95, epsilon=1e-7),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def torch_model(spec, classes=10):
    """Return the network of a spec as a torch.nn.Sequential in channels_last, for 32 x 32 images."""
    import torch

    stages = torch_airbench(spec, classes) if spec.architecture == "airbench" else torch_cifar10_cnn(spec, classes)
    return torch.nn.Sequential(*stages).to(memory_format=torch.channels_last)


def torch_airbench(spec, classes):
    """Return the layers of an airbench network; weights start as PyTorch's own do, which costs the same."""
    from torch import nn

    first = nn.Conv2d(3, 24, 2)
    first.weight.requires_grad = False
    stages, channels = [first, nn.GELU()], 24
    for width in spec.channels:
        for pool in (True, False):
            stages.append(nn.Conv2d(channels, width, 3, padding="same", bias=False))
            if pool:
                stages.append(nn.MaxPool2d(2))
            stages += [nn.BatchNorm2d(width, momentum=0.4), nn.GELU()]
            stages[-2].weight.requires_grad = False
            channels = width
    return [*stages, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(channels, classes, bias=False)]


def torch_cifar10_cnn(spec, classes):
    """Return the layers of a notebook's network."""
    from torch import nn

    stages, channels = [], 3
    for block in (0, 1):
        for convolution in (0, 1):
            width = spec.channels[2 * block + convolution]
            stages.append(nn.Conv2d(channels, width, 3))
            if spec.batch_normalization == "before_relu":
                stages.append(nn.BatchNorm2d(width, eps=1e-3, momentum=0.01))
            stages.append(nn.ReLU())
            channels = width
        stages += [nn.MaxPool2d(2), nn.Dropout(spec.dropout[block])]
    stages += [nn.Flatten(), nn.Linear(25 * channels, DENSE_UNITS), nn.ReLU(), nn.Dropout(spec.dropout[2])]
    stages.append(nn.Linear(DENSE_UNITS, classes))
    return stages
