"""A picture of any size in a file, as an image of the size that a network sees."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ablation.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")  # none that starts another program to be read
BACKGROUND = "white"  # under what is transparent
MAX_SIDE = 50_000  # pixels; Pillow refuses more than 89 million in all
DRAFT = 4  # a JPEG file may be decoded at a fraction of its size that is at least so many times the final one


def read_picture(path: str | Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return a picture as a (height, width, channels) uint8 array: upright, scaled, and cropped around its center.

    size: (height, width) in pixels; channels: 3, or 1 for gray. The picture is scaled such that it just covers the
    size, bicubic with antialiasing; one that has the size keeps its pixels. 16-bit gray is divided by 257, and what is
    transparent lies on BACKGROUND.

    Raises InputError for what is no picture in one of FORMATS, is broken, truncated or of several frames, has more than
    MAX_SIDE pixels on a side, or so many that Pillow takes it for a decompression bomb.
    """
    height, width = size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata, which decide no pixel
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as picture:
                if max(picture.size) > MAX_SIDE:
                    shape = f"{picture.width} x {picture.height}"
                    raise InputError(f"{path}: has {shape} pixels; at most {MAX_SIDE:,} on a side")
                frames = getattr(picture, "n_frames", 1)
                if frames > 1 and picture.format != "MPO":  # a JPEG file with previews
                    raise InputError(f"{path}: has {frames} frames or pages; expected one")
                picture.draft(None, (DRAFT * max(size), DRAFT * max(size)))
                opaque = _opaque(ImageOps.exif_transpose(picture)).convert("L" if channels == 1 else "RGB")
                fitted = ImageOps.fit(opaque, (width, height), Image.Resampling.BICUBIC)
    except (InputError, MemoryError):
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise InputError(f"{path}: has more than {limit // 10**6} million pixels; make it smaller") from None
    except Image.UnidentifiedImageError:
        raise InputError(f"{path}: is no picture that can be read (expected {', '.join(FORMATS)})") from None
    except _Deep:
        raise InputError(f"{path}: has 32 bits per channel; save it with 8 or 16") from None
    except Exception as error:  # depends on where the file is broken
        raise InputError(f"{path}: is a broken or truncated picture ({' '.join(str(error).split())})") from None
    return np.asarray(fitted, dtype=np.uint8).reshape(height, width, channels)


class _Deep(Exception):
    """A picture has 32 bits per channel, of which there is no telling which are dark and which are light."""


def _opaque(picture: Image.Image) -> Image.Image:
    """Return a picture without transparency, and with 8 bits per channel."""
    if picture.mode.startswith("I;16"):  # which Pillow would clip
        return Image.fromarray(np.rint(np.asarray(picture) / 257).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise _Deep
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, BACKGROUND), layer)
