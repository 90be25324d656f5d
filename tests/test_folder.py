"""A folder of pictures becomes arrays by the rules of docs/data.md, or is one line."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation import class_folders, sources
from ablation.data import datasets
from ablation.data.images import split_point
from ablation.data.pictures import MAX_SIDE, read_picture
from ablation.errors import InputError

RNG = np.random.default_rng(0)


def noise(height, width, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes of 12 pictures, cat of three plates and dog of three others."""
    for name, first in (("dog", 3), ("cat", 0)):
        for number in range(12):
            save(tmp_path / "photos" / name / f"p{first + number // 4}_{number:02d}.png", noise(20 + number, 24))
    return tmp_path / "photos"


def read(folder, **settings):
    return datasets.read_dataset("folder", folder, 0, **{"size": 16} | settings)


def one_line(message, function, *arguments, **settings):
    with pytest.raises(InputError, match=message) as caught:
        function(*arguments, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_classes_are_folders_and_a_sixth_of_each_is_held_out(folder):
    dataset = read(folder)
    assert dataset.class_names.tolist() == ["cat", "dog"]
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((20, 16, 16, 3), (4, 16, 16, 3))
    assert np.bincount(dataset.y_test).tolist() == [2, 2]
    for image, label, name in zip(dataset.x_test, dataset.y_test, dataset.test_files, strict=True):
        assert name.startswith(dataset.class_names[label] + "/")
        np.testing.assert_array_equal(image, read_picture(folder / name, (16, 16), 3))
    shuffled = datasets.shuffle(dataset, 0)
    assert sorted(shuffled.train_files) == sorted(dataset.train_files) != shuffled.train_files.tolist()
    for image, name in zip(shuffled.x_train, shuffled.train_files, strict=True):
        np.testing.assert_array_equal(image, read_picture(folder / name, (16, 16), 3))
    other = datasets.read_dataset("folder", folder, 1, size=16)
    assert set(other.test_files) != set(dataset.test_files)


def test_pictures_of_every_format_are_read(tmp_path):
    suffixes = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".JPG")
    for name in ("cat", "dog"):
        for number, suffix in enumerate(suffixes):
            save(tmp_path / name / f"{number}{suffix}", noise(16, 16))
    dataset = read(tmp_path)
    assert len(dataset.x_train) + len(dataset.x_test) == 2 * len(suffixes)


def test_a_broken_remark_in_a_picture_decides_no_pixel(tmp_path):
    """Of its EXIF data, five entries are announced and none is there."""
    image = noise(16, 16)
    plain = save(tmp_path / "plain.jpg", image)
    broken = save(tmp_path / "broken.jpg", image, exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    with pytest.warns(UserWarning, match="EXIF"):
        Image.open(broken).getexif()
    np.testing.assert_array_equal(read_picture(broken, (16, 16), 3), read_picture(plain, (16, 16), 3))


def test_a_jpeg_file_with_previews_is_its_first_picture(tmp_path):
    first, preview = Image.fromarray(noise(16, 16)), Image.fromarray(noise(8, 8))
    path = save(tmp_path / "a.jpg", first, format="MPO", save_all=True, append_images=[preview])
    assert Image.open(path).n_frames == 2
    np.testing.assert_array_equal(
        read_picture(path, (16, 16), 3), read_picture(save(tmp_path / "b.jpg", first), (16, 16), 3)
    )


def test_colors_may_be_read_as_gray(tmp_path):
    image = noise(16, 16)
    gray = read_picture(save(tmp_path / "a.png", image), (16, 16), 1)
    luma = image.astype(float) @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    assert gray.shape == (16, 16, 1)
    assert np.abs(gray[..., 0] - luma).max() <= 1


def test_copies_are_named(folder):
    assert datasets.repeats(read(folder)) == {}
    copies = {"cat/copy.png": "cat/p0_00.png", "test/dog/again.png": "dog/p3_01.png"}
    for name in ("cat", "dog"):
        (folder / "train").mkdir(exist_ok=True)
        (folder / name).rename(folder / "train" / name)
        save(folder / "test" / name / "new.png", noise(9, 9))
    for copy, original in copies.items():
        place = folder / ("" if copy.startswith("test/") else "train") / copy
        place.write_bytes((folder / "train" / original).read_bytes())
    said = datasets.repeats(read(folder))
    assert said["test"].startswith(
        "1 of 3 test images are training images, too, pixel for pixel, as test/dog/again.png and train/dog/p3_01.png; "
    )
    assert said["train"].startswith(
        "1 of 25 training images are copies of others, pixel for pixel, as train/cat/p0_00.png"
    )
    assert said["train"].endswith("trained on and validated on") and said["test"].endswith("about new images")
    (folder / "train/cat/copy.png").rename(folder / "train/dog/copy.png")
    (folder / "test/dog/again.png").rename(folder / "test/cat/again.png")
    said = datasets.repeats(read(folder))
    assert said["train"].endswith(
        "; 1 of them with another class, as train/dog/copy.png and train/cat/p0_00.png: one of the two is wrong"
    )
    assert said["test"].endswith(
        "; 1 of them with another class, as test/cat/again.png and train/dog/p3_01.png: one of the two is wrong"
    )


def test_a_layout_with_parts(folder):
    for name in ("cat", "dog"):
        for file in sorted((folder / name).iterdir())[:9]:
            target = folder / "train" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
        (folder / "test").mkdir(exist_ok=True)
        (folder / name).rename(folder / "test" / name)
    dataset = read(folder)
    assert (len(dataset.x_train), len(dataset.x_test)) == (18, 6)
    assert sorted(dataset.test_files)[0] == "test/cat/p2_09.png"
    one_line("2 groups are in both train and test: p2, p5", read, folder, groups=r"(p\d)_")
    save(folder / "test/frog/1.png", noise(9, 9))
    one_line("test has a class 'frog' that train has no picture of", read, folder)
    (folder / "train/frog").mkdir()
    (folder / "test/frog/1.png").rename(folder / "train/frog/1.png")
    one_line("train has a class 'frog' that test has no picture of", read, folder)
    (folder / "val").mkdir()
    one_line("has 'val' beside train and test; move it away", read, folder)


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("gray.png", Image.new("L", (40, 30), 90), (90, 90, 90)),
        ("gray.jpg", Image.new("L", (40, 30), 90), (90, 90, 90)),
        ("bits.tif", Image.new("1", (40, 30), 1), (255, 255, 255)),
        ("color.bmp", Image.new("RGB", (40, 30), (1, 2, 3)), (1, 2, 3)),
        ("color.webp", Image.new("RGB", (40, 30), (200, 100, 40)), (200, 100, 40)),
        ("palette.png", Image.new("RGB", (40, 30), (250, 20, 30)).quantize(4), (250, 20, 30)),
        ("clear.png", Image.new("RGBA", (40, 30), (255, 0, 0, 0)), (255, 255, 255)),
        ("half.png", Image.new("LA", (40, 30), (0, 51)), (204, 204, 204)),
        ("deep.png", Image.fromarray(np.full((30, 40), 257 * 77, np.uint16)), (77, 77, 77)),
        ("deep.tiff", Image.fromarray(np.full((30, 40), 257 * 77, np.uint16)), (77, 77, 77)),
        ("print.jpg", Image.new("CMYK", (40, 30), (0, 0, 0, 0)), (255, 255, 255)),
        ("UPPER.PNG", Image.new("RGB", (3, 300), (9, 8, 7)), (9, 8, 7)),
    ],
)
def test_every_kind_of_picture_becomes_three_bytes_per_pixel(tmp_path, name, image, expected):
    pixels = read_picture(save(tmp_path / name, image), (16, 16), 3)
    assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)
    assert np.abs(pixels.astype(int) - expected).max() <= (8 if name.endswith((".jpg", ".webp")) else 0)


def test_a_transparent_color_of_a_palette_is_white(tmp_path):
    image = Image.new("P", (20, 20), 0)
    image.putpalette([10, 20, 30])
    assert (read_picture(save(tmp_path / "a.png", image, transparency=0), (16, 16), 3) == 255).all()


def test_the_center_is_cropped_and_the_rest_smoothed(tmp_path):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64, 0] = 255
    assert (read_picture(save(tmp_path / "wide.png", wide), (32, 32), 3) == wide[:, 32:64]).all()
    board = np.indices((320, 320)).sum(0) % 2 * 255
    pixels = read_picture(save(tmp_path / "board.png", board.astype(np.uint8)), (16, 16), 3)
    assert np.abs(pixels[2:-2, 2:-2].astype(int) - 127).max() < 8  # without antialiasing, 0 and 255


def test_the_orientation_of_the_camera_is_applied(tmp_path):
    image = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 20, 0).repeat(10, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    pixels = read_picture(save(tmp_path / "a.png", image, exif=exif), (16, 16), 3)[..., 0]
    assert pixels[:4].max() < 20 and pixels[-4:].min() > 235


def test_one_channel_where_all_are_gray(folder):
    assert read(folder).x_train.shape[3] == 3
    for path in folder.rglob("*.png"):
        save(path, Image.open(path).convert("L").convert("RGB"))
    assert read(folder).x_train.shape[3] == read(folder).x_test.shape[3] == 1
    save(folder / "cat/p0_00.png", noise(20, 20))
    assert read(folder).x_train.shape[3] == 3


def truncated(path):
    save(path, noise(64, 64))
    path.write_bytes(path.read_bytes()[:2000])


def animated(path):
    frames = [Image.fromarray(noise(20, 20)) for _ in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def bomb(path):
    """A PNG that says it has 100,000 x 100,000 pixels."""
    save(path, noise(16, 16))
    content = bytearray(path.read_bytes())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


BROKEN = {
    "cut.jpg": (truncated, "runcated"),
    "cut.png": (truncated, "cut.png"),
    "moving.webp": (animated, "3 frames or pages; expected one"),
    "pages.tif": (animated, "3 frames or pages"),
    "moving.gif": (animated, "has no suffix such as .jpg"),
    "moving.png": (
        lambda path: animated(path.with_suffix(".gif")) or path.with_suffix(".gif").rename(path),
        "no picture that can be read (expected JPEG, PNG",
    ),
    "bomb.png": (bomb, "more than 89 million pixels"),
    "wide.png": (lambda path: save(path, Image.new("1", (MAX_SIDE + 1, 2))), "50001 x 2 pixels; at most 50,000"),
    "text.jpg": (lambda path: path.write_text("hello"), "no picture"),
    "empty.png": (lambda path: path.touch(), "no picture"),
    "notes.txt": (lambda path: path.write_text("hello"), "has no suffix such as .jpg"),
    "1.jpg.bak": (lambda path: Image.new("RGB", (9, 9)).save(path, "JPEG"), "has no suffix such as .jpg"),
    "float.tiff": (lambda path: save(path, Image.fromarray(np.ones((9, 9), np.float32))), "32 bits per channel"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_sound_picture_is_named(folder, name):
    make, reason = BROKEN[name]
    make(folder / "cat" / name)
    message = one_line(rf"1 of 25 files can't be read as pictures: cat/{name} \(", read, folder)
    assert reason in message
    assert "delete them or move them out of the folder" in message


def test_many_broken_ones_are_counted(folder):
    for number in range(5):
        (folder / "dog" / f"x{number}.jpg").write_text("x")
    one_line(
        r"5 of 29 files .*dog/x0.jpg .*dog/x1.jpg .*dog/x2.jpg .is no picture .*WEBP.. and 2 more; delete",
        read,
        folder,
    )


def test_what_computers_leave_is_ignored(folder):
    before = sources.digest("folder", folder)
    for name in ("README.txt", ".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", ".git/config", "cat/.hidden/a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    assert len(read(folder).x_train) == 20
    assert sources.digest("folder", folder) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: (folder / "cat/more").mkdir(), "'cat/more' is a folder in a class; a class holds pictures"),
        (lambda folder: (folder / "cat/loop").symlink_to(folder), "'cat/loop' is a folder in a class"),
        (lambda folder: (folder / "Test/cat").mkdir(parents=True), "'Test/cat' is .* must be named train and test"),
        (lambda folder: (folder / "frog").mkdir(), "'frog' has no pictures; put some in, or delete the folder"),
        (lambda folder: (folder / "cat/loop").symlink_to("loop"), "loop.*(neither a file|Too many levels)"),
        (lambda folder: (folder / "loop").symlink_to(folder / "loop"), "loop.*(neither a file|Too many levels)"),
        (
            lambda folder: (folder / "cat/gone").symlink_to("nowhere"),
            "neither a file nor a folder, or a link to nothing",
        ),
        (lambda folder: os.mkfifo(folder / "cat/pipe"), "neither a file nor a folder"),
    ],
)
def test_what_belongs_nowhere_is_one_line(folder, make, message):
    make(folder)
    one_line(message, sources.digest, "folder", folder)


def test_a_folder_without_classes(tmp_path):
    save(tmp_path / "a.png", noise(9, 9))
    one_line("has no folders; expected one per class", class_folders.list_pictures, tmp_path)
    save(tmp_path / "only/a.png", noise(9, 9))
    one_line("class 'only' has one image", read, tmp_path)


def test_a_name_of_any_bytes_is_one_line(folder):
    (folder / "cat" / os.fsdecode(b"a\n\xff.png")).write_text("x")
    assert r"cat/a\n\udcff.png (is no picture that can be read" in one_line("1 of 25", read, folder)


def test_the_digest_is_of_names_and_contents(folder, tmp_path):
    cache = tmp_path / "digests.json"
    before = sources.digest("folder", folder, cache)
    for path in folder.rglob("*.png"):
        os.utime(path, (1, 1))
    assert sources.digest("folder", folder, cache) == sources.digest("folder", folder) == before
    one = folder / "cat/p0_00.png"
    content = one.read_bytes()
    one.write_bytes(content + b"x")
    assert sources.digest("folder", folder, cache) != before
    one.write_bytes(content)
    assert sources.digest("folder", folder, cache) == before
    one.rename(folder / "cat/p0_000.png")  # the order of the files is the same
    assert sources.digest("folder", folder, cache) != before


def test_a_digest_is_remembered(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("ablation.files.SETTLED", -(10**18))  # every file is old enough
    before = sources.digest("folder", folder, tmp_path / "digests.json")
    monkeypatch.setattr("ablation.files.file_digest", lambda path: pytest.fail(f"{path} is read again"))
    assert sources.digest("folder", folder, tmp_path / "digests.json") == before


def in_groups(sizes, classes=2):
    """A Dataset of 1 x 1 images in groups of these sizes, whose pixel is the group's number."""
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    images = numbers.astype(np.uint8).reshape(-1, 1, 1, 1)
    labels = np.arange(len(images)) % classes
    return datasets.Dataset(
        images, labels, images[:2], labels[:2], np.array(["a", "b"]), groups=np.array([f"g{n}" for n in numbers])
    )


def test_no_group_is_on_both_sides_of_the_test_images(folder):
    """Six plates of 4, three of each class: one of each is held out."""
    dataset = read(folder, groups=r"(p\d)_")
    tested = {Path(name).name[:2] for name in dataset.test_files}
    assert len(tested) == 2 and not tested & set(dataset.groups)
    assert len(dataset.groups) == len(dataset.x_train) == 16


def test_groups_of_a_csv_file(folder, tmp_path):
    path = tmp_path / "groups.csv"
    names = class_folders.list_pictures(folder)
    rows = [f"{name},{Path(name).name[:2]}" for name in names]
    path.write_text("\n".join(["\ufefffile,group", *rows, "cat/gone.png,p9"]), encoding="utf-8")
    by_csv, by_pattern = read(folder, groups=str(path)), read(folder, groups=r"(p\d)_")
    assert by_csv.test_files.tolist() == by_pattern.test_files.tolist()
    path.write_text("\n".join(["file,group", *rows[4:]]))
    one_line(
        r"groups.csv gives 4 of 24 pictures no group: cat/p0_00.png, .* and 1 more;", read, folder, groups=str(path)
    )
    path.write_text("\n".join(["file,group", *rows, "cat/p0_00.png,other"]))
    one_line("line 26 gives a file a second group", read, folder, groups=str(path))
    path.write_text("name;group\n")
    one_line("its first line must name the columns file and group", read, folder, groups=str(path))
    path.write_bytes(b"file,group\n\xff\xfe\n")
    one_line("is no CSV file", read, folder, groups=str(path))
    path.write_text("file,group\na/0.png,p1\0\n")
    one_line("line 2 has a NUL", read, folder, groups=str(path))


def test_a_class_of_one_picture_is_named(folder):
    save(folder / "frog/1.png", noise(20, 20))
    one_line("class 'frog' has one image; it needs two, to train and to test on", read, folder)


def test_rows_that_are_of_no_picture(folder, tmp_path):
    (tmp_path / "groups.csv").write_text("file,group\nphotos/cat/p0_00.png,a\nphotos/dog/p3_00.png,b\n")
    message = "groups.csv: none of its 2 rows is of a picture; `file` is as in 'cat/p0_00.png'"
    one_line(message, read, folder, groups=str(tmp_path / "groups.csv"))


def test_names_without_a_group(folder):
    one_line(r"\(q\\d\) gives 24 of 24 pictures no group: cat/p0_00.png, .*every", read, folder, groups=r"(q\d)")
    one_line(r"dataset.groups: \(p\) gives all 24 pictures one group, 'p'", read, folder, groups=r"(p)")


def test_groups_that_are_whole_classes_leave_nothing_to_hold_out(folder, tmp_path):
    path, names = tmp_path / "groups.csv", class_folders.list_pictures(folder)
    path.write_text("\n".join(["file,group", *(f"{name},{Path(name).parent}" for name in names)]))
    message = "cannot hold out a sixth of every class for testing without cutting a group; make folders train"
    one_line(message, read, folder, groups=str(path))


@pytest.mark.parametrize("fractions", [[0.1], [0.2, 0.1], [0.1, 0, 0.25]])
def test_no_group_is_cut_by_the_validation_images(fractions):
    sizes = np.random.default_rng(1).integers(1, 12, 40)
    dataset = in_groups(sizes)
    shuffled = datasets.shuffle(dataset, 0, fractions)
    n = len(shuffled.x_train)
    for fraction in fractions:
        at = split_point(n, fraction)
        assert not set(shuffled.groups[:at]) & set(shuffled.groups[at:])
    groups = [f"g{pixel}" for pixel in shuffled.x_train.ravel()]
    assert groups == shuffled.groups.tolist()
    assert sorted(groups) == sorted(dataset.groups)
    assert groups[: split_point(n, max(fractions))] != sorted(groups[: split_point(n, max(fractions))])
    assert datasets.shuffle(dataset, 1, fractions).groups.tolist() != groups


def test_groups_whose_sizes_do_not_permit_it_and_what_would():
    message = one_line(
        r"validation_split 0.1 of 48 training images would cut a group \(4 groups of 12 to 12 images\); 0.25 or",
        *(datasets.shuffle, in_groups([12] * 4), 0, [0.1]),
    )
    assert datasets.shuffle(in_groups([12] * 4), 0, [0.25]).x_train[-12:].std() == 0
    for text in message.partition("images); ")[2].removesuffix(" would not").split(" or "):
        datasets.shuffle(in_groups([12] * 4), 0, [float(text)])
    one_line("would cut a group", datasets.shuffle, in_groups([12]), 0, [0.1])


@pytest.mark.parametrize("n", [2, 7, 48, 100, 299])
def test_a_fraction_is_found_for_every_division(n):
    for at in range(1, n):
        assert split_point(n, float(datasets._fraction(n, at))) == at
