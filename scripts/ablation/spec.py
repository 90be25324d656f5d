"""What one model of the study is: a variant is data, not code."""

import dataclasses
import json


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """The settings that decide a training; meanings and defaults are in rules/schemas/config.schema.yaml.

    None is what means nothing beside the others, as momentum beside the optimizer adadelta.
    """

    input: str
    precision: str
    architecture: str
    channels: tuple[int, ...]
    first_layer: str | None
    batch_normalization: str | None
    dropout: tuple[float, float, float] | None
    flip: str
    translation: int
    label_smoothing: float
    optimizer: str
    learning_rate: float
    schedule: str
    decay: float | None
    momentum: float | None
    weight_decay: float | None
    bias_factor: float | None
    lookahead: int
    epochs: int
    batch_size: int
    validation_split: float
    validation_images: str | None

    @classmethod
    def of(cls, settings):
        """Return the spec of settings by key, as a config or JSON holds them."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})

    @classmethod
    def from_json(cls, text):
        """Return the spec that `to_json` wrote."""
        return cls.of(json.loads(text))

    def to_json(self):
        """Return the settings as JSON with sorted keys: equal specs give equal text."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)
