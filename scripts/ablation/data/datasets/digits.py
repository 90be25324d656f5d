"""scikit-learn's 1,797 handwritten digits, as 32 x 32 x 3 images.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

import numpy as np

from ablation.data.datasets import Dataset, stratified_split


def read(source: None, seed: int) -> Dataset:
    """Return the digits, a sixth of every class held out for testing; `seed` fixes which.

    The 8 x 8 pixels of 0 to 16 are repeated four times in each direction and scaled to 0 to 255.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = images.repeat(4, axis=1).repeat(4, axis=2)[..., None].repeat(3, axis=3)
    return stratified_split("digits", images, labels.astype(np.int64), np.array([str(n) for n in range(10)]), seed)
