"""Whole ZCA whitening, fitted on 50,000 images and applied to 60,000: ours, its floor, and Keras's generator.

The floor is the bare BLAS and LAPACK calls on arrays that are ready: covariance (dsyrk), decomposition (dsyevd),
filters (dsyrk), product (sgemm).

python bench/whiten.py --images results/data/{key}/images.npz
python bench/whiten.py --images results/data/{key}/images.npz --side 64    ours alone, of larger images
"""

import argparse
import resource
import time

import measure
import numpy as np
import pandas as pd
import scipy.linalg

EPSILON = 1e-6


def enlarged(images, side):
    """Return images resized to (n, side, side, channels), bicubic."""
    from PIL import Image

    return np.stack(
        [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) for image in images]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, help="enlarge the images to so many pixels a side, and time only ours")
    parser.add_argument("--generator-rounds", type=int, default=1, help="rounds with Keras's generator, minutes each")
    arguments = parser.parse_args()

    from ablation import files
    from ablation.data import whitening
    from ablation.data.images import scale

    x_train, x_test = files.read_npz(arguments.images, "x_train", "x_test")
    if arguments.side:
        x_train, x_test = (enlarged(images, arguments.side) for images in (x_train, x_test))
    n, d = len(x_train), x_train[0].size

    def ours():
        start = time.perf_counter()
        zca = whitening.fit(x_train, EPSILON)
        whitening.apply(zca, x_train)
        whitening.apply(zca, x_test)
        return time.perf_counter() - start

    if arguments.side:
        row = {
            "values per image": d,
            "seconds": ours(),
            "memory, GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        }
        measure.report("whitening_of_large_images", pd.DataFrame([row]).set_index("values per image"))
        return

    centered = np.concatenate([scale(x_train), scale(x_test)]).reshape(-1, d)
    centered -= centered[:n].mean(axis=0, dtype=np.float64).mean()
    centered64 = centered[:n].astype(np.float64)

    def floor():
        start = time.perf_counter()
        covariance = scipy.linalg.blas.dsyrk(1 / n, centered64.T, lower=1)
        eigenvalues, vectors = scipy.linalg.eigh(covariance, lower=True, overwrite_a=True, driver="evd")
        vectors *= (np.maximum(eigenvalues, 0) + EPSILON) ** -0.25
        filters = scipy.linalg.blas.dsyrk(1, vectors, lower=1).astype(np.float32)
        centered @ filters
        return time.perf_counter() - start

    def generator():
        from keras.src.legacy.preprocessing.image import ImageDataGenerator

        train, test = scale(x_train), scale(x_test)
        start = time.perf_counter()
        generator = ImageDataGenerator(featurewise_center=True, zca_whitening=True)
        generator.fit(train)
        for part in (train, test):
            next(generator.flow(part, batch_size=len(part), shuffle=False))
        return time.perf_counter() - start

    runs = measure.interleave({"ours": ours, "floor": floor}, arguments.rounds)
    slow = measure.interleave({"ours": ours, "generator": generator}, arguments.generator_rounds)
    rows = [
        {"of": "ours", "to": "floor", "seconds": runs["ours"].median(), "seconds of the other": runs["floor"].median()}
        | measure.ratios(runs["ours"], runs["floor"]),
        {
            "of": "generator",
            "to": "ours",
            "seconds": slow["generator"].median(),
            "seconds of the other": slow["ours"].median(),
        }
        | measure.ratios(slow["generator"], slow["ours"]),
    ]
    measure.report("whitening", pd.DataFrame(rows).set_index(["of", "to"]))


if __name__ == "__main__":
    main()
