"""What was trained is used: pictures in, classes out, as the evaluation has them; and what is refused."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation import files
from ablation.data import images, whitening
from ablation.data.pictures import read_picture
from ablation.errors import InputError
from ablation.keys import code_of, key_of
from ablation.settings import check, specs
from conftest import ROOT

CLASSES = ["cat", "dog", "a, b"]


def make_runs(results, schema, classes=CLASSES, size=(16, 20), models=("raw", "zca")):
    """Train and evaluate models on random images: `zca` on whitened ones, `raw` with test-time augmentation."""
    from ablation.training.evaluate import evaluate_run
    from ablation.training.run import train_run

    config = {
        "defaults": {"channels": [4, 4, 4, 4], "dropout": [0, 0, 0], "epochs": 6, "batch_size": 4},
        "models": {
            "zca": {},
            "raw": {
                "input": "raw",
                "batch_normalization": "before_relu",
                "test_time_augmentation": "flip_and_translate",
            },
        },
    }
    config = check.validate_and_fill(config, schema)
    rng = np.random.default_rng(1)
    y_train, y_test = np.arange(60) % len(classes), np.arange(30) % len(classes)
    x_train, x_test = (
        (rng.integers(0, 160, (len(y), *size, 3)) + 90 * np.eye(3)[y][:, None, None]).astype(np.uint8)
        for y in (y_train, y_test)
    )
    made = {"images": {"dataset": classes, "code": code_of("ablation.data.datasets.npz")}}
    code = code_of("ablation.data.whitening")
    made["zca"] = {"images": made["images"], "epsilon": 0.01, "holdout": 0.1, "code": code}
    paths = {name: results / "data" / key_of(part) / f"{name}.npz" for name, part in made.items()}
    labels = {"y_train": y_train, "y_test": y_test}
    images.write_images(
        paths["images"], made["images"], x_train=x_train, x_test=x_test, class_names=np.array(classes), **labels
    )
    z_train, z_test, _ = whitening.whiten(x_train, x_test, 0.01, 0.1)
    images.write_images(paths["zca"], made["zca"], x_train=z_train, x_test=z_test, **labels)
    for name in models:
        model = config["models"][name]
        data = "zca" if model["input"] == "zca" else "images"
        spec = specs.model_spec(config, name)
        network = "ablation.training.networks.cifar10_cnn"
        made_from = {
            "data": made[data],
            "train_images": None,
            "spec": specs.key_settings(config, name, schema),
            "code": code_of("ablation.training.run", network),
        }
        training = results / "trainings" / key_of(made_from) / "seed1"
        options = {"device": "cpu", "threads": 1, "jobs_per_gpu": 1, "checkpoint_epochs": 1}
        train_run(name, spec, 1, paths[data], made_from, training, **options)
        evaluation = {
            "model": name,
            "training": key_of(made_from),
            "test_images": None,
            "test_time_augmentation": model["test_time_augmentation"],
            "code": code_of("ablation.training.evaluate", network),
            "seed": 1,
        }
        run = results / "runs" / name / "seed1"
        evaluate_run(paths[data], training, evaluation, run, architecture="cifar10_cnn", threads=1)
    return x_test


@pytest.fixture(scope="module")
def trained(tensorflow, schema, tmp_path_factory):
    """Results with two runs, and the test images of both as files in `pictures`."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "pictures").mkdir()
    for number, image in enumerate(make_runs(folder / "results", schema)):
        Image.fromarray(image).save(folder / f"pictures/{number:02}.png")
    return folder


@pytest.fixture
def results(trained, tmp_path):
    """A copy of the results, to break."""
    return shutil.copytree(trained / "results", tmp_path / "results")


def predict(runs, given, output=None, all_classes=True):
    from ablation.training.predict import predict_pictures

    predict_pictures(runs, given, output, all_classes=all_classes, threads=1)


def run_of(folder, model):
    return folder / f"results/runs/{model}/seed1"


@pytest.mark.parametrize("models", [["zca"], ["raw"], ["raw", "zca"]])
def test_pictures_of_the_test_images_get_the_probabilities_of_the_evaluation(trained, tmp_path, monkeypatch, models):
    """Whitening and test-time augmentation included; of several runs it is the mean; in batches as at once."""
    monkeypatch.setattr("ablation.training.predict.BATCH", 13)
    output = tmp_path / "new/table.csv"
    predict([run_of(trained, model) for model in models], [trained / "pictures"], output)
    header, *rows = csv.reader(output.read_text().splitlines())
    assert header == ["file", "class", "probability", *(f"p_{name}" for name in CLASSES)]
    assert [row[0] for row in rows] == [str(trained / f"pictures/{number:02}.png") for number in range(30)]
    stored = [files.read_npz(run_of(trained, model) / "predictions.npz", "probabilities")[0] for model in models]
    expected = np.mean(stored, axis=0, dtype=np.float64)
    np.testing.assert_allclose(np.array([row[3:] for row in rows], float), expected, atol=1e-3)
    assert expected.std(axis=0).max() > 0.01  # pictures differ, so a mixed-up order would show
    for row, probabilities in zip(rows, expected, strict=True):
        assert probabilities[CLASSES.index(row[1])] > probabilities.max() - 1e-3
        assert float(row[2]) == max(map(float, row[3:]))


@pytest.mark.parametrize(
    ("model", "changed", "warned"),
    [("zca", "whitening", True), ("zca", "datasets.npz", False), ("raw", "datasets.npz", False)],
)
def test_code_that_changed_and_that_a_prediction_runs_is_a_warning(
    trained, tmp_path, monkeypatch, caplog, model, changed, warned
):
    module = f"ablation.data.{changed}"
    monkeypatch.setattr(
        "ablation.training.predict.code_of", lambda *modules: {} if modules == (module,) else code_of(*modules)
    )
    predict([run_of(trained, model)], [trained / "pictures/00.png"], tmp_path / "table.csv")
    assert (f"the code of {module} has changed since; that may show" in caplog.text) is warned


def test_the_program(trained, tmp_path):
    """The table alone is on standard output; a picture that can't be read has a line, and the others a row."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    command = [sys.executable, ROOT / "scripts/predict.py", "--run", run_of(trained, "raw"), broken]
    done = subprocess.run([*command, trained / "pictures/00.png"], capture_output=True, text=True)
    header, row = done.stdout.splitlines()
    assert header == "file,class,probability"
    assert row.startswith(f"{trained}/pictures/00.png,")
    first, last = done.stderr.splitlines()
    assert first.startswith(f"error: {broken}: is ")
    assert last == "error: 1 of 2 pictures could not be read; they have no prediction"
    assert done.returncode == 1


def test_a_whitening_is_fitted_once_and_serves_without_the_whitened_images(results, trained, monkeypatch, caplog):
    (zca,) = results.glob("data/*/zca.npz")
    zca.unlink()
    zca.with_name("whitening.npz").unlink(missing_ok=True)  # of another test
    tables = []
    for _ in range(2):
        predict([results / "runs/zca/seed1"], [trained / "pictures"], results / "table.csv")
        tables.append((results / "table.csv").read_bytes())
        monkeypatch.setattr(whitening, "fit", None)
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("data/*/images.npz", "has the names of the classes, and the whitening .*; `snakemake --cores 1 results/data/"),
        (
            "runs/zca/seed1/model.keras",
            "model.keras: no such file; `snakemake --cores 1 results/runs/zca/seed1/model.keras`",
        ),
        ("runs/zca/seed1/metrics.json", "seed1: has no metrics.json; name the folder of a run"),
    ],
)
def test_a_file_that_is_gone_is_named_and_how_to_make_it_again(results, trained, monkeypatch, gone, message):
    (path,) = results.glob(gone)
    path.unlink()
    monkeypatch.chdir(results.parent)
    with pytest.raises(InputError, match=message) as error:
        predict([Path("results/runs/zca/seed1")], [trained / "pictures"])
    assert "\n" not in str(error.value)


def test_another_model_under_the_name_of_a_run_is_refused(results, trained):
    shutil.copy(results / "runs/raw/seed1/model.keras", results / "runs/zca/seed1/model.keras.new")
    os.replace(results / "runs/zca/seed1/model.keras.new", results / "runs/zca/seed1/model.keras")
    with pytest.raises(InputError, match="model.keras: does not match the digest"):
        predict([results / "runs/zca/seed1"], [trained / "pictures"])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"classes": ["cat", "dog", "cow"]}, "has the classes cat, dog, cow, but .* has cat, dog, a, b"),
        ({"size": (18, 20)}, "has images of 18, 20, 3, but .* has 16, 20, 3"),
    ],
)
def test_runs_of_other_classes_or_sizes_are_refused(trained, tensorflow, schema, tmp_path, other, message):
    make_runs(tmp_path / "results", schema, **other, models=["raw"])
    with pytest.raises(InputError, match=message):
        predict([run_of(trained, "raw"), run_of(tmp_path, "raw")], [trained / "pictures"])


def test_the_file_of_a_network_is_looked_for_from_here_and_above_the_run(trained, tmp_path, monkeypatch):
    from ablation.training.predict import _architecture

    run = tmp_path / "study/results/runs/mine/seed1"
    run.mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"seed1: needs the file of its network, 'my/net.py', which is neither here nor"
    ):
        _architecture(run, "my/net.py")
    for place in (tmp_path / "study", tmp_path / "here"):
        (place / "my").mkdir(parents=True)
        (place / "my/net.py").touch()
    assert _architecture(run, "my/net.py") == str(tmp_path / "study/my/net.py")
    monkeypatch.chdir(tmp_path / "here")
    assert _architecture(run, "my/net.py") == "my/net.py"
    assert _architecture(run, "resnet20") == "resnet20"


def test_a_run_is_given_once(trained):
    with pytest.raises(InputError, match="seed1: is given twice"):
        predict([run_of(trained, "raw")] * 2, [trained / "pictures"])


def test_what_is_given(tmp_path):
    from ablation.training.predict import list_pictures

    for name in ("b/z.PNG", "b/a.jpg", "notes.txt", "b/._a.jpg", "b/.thumbnails/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pictures = [tmp_path / "b/a.jpg", tmp_path / "b/z.PNG"]
    assert list_pictures([tmp_path]) == pictures
    assert list_pictures([pictures[1], tmp_path]) == pictures[::-1]
    assert list_pictures([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]  # says what it is when it is read
    with pytest.raises(InputError, match="absent.png: no such file or folder"):
        list_pictures([tmp_path / "absent.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: has no pictures"):
        list_pictures([tmp_path / "empty"])


def picture(path, **options):
    """Write a picture, 40 wide and 20 high, red to the left and blue to the right, with a green stripe on top."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20, 0] = pixels[:, 20:, 2] = pixels[:2, :, 1] = 255
    mode = options.pop("mode", "RGB")
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def test_a_picture_is_scaled_to_cover_the_size_and_cropped_around_its_center(tmp_path):
    path = picture(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(path, (20, 40), 3), np.asarray(Image.open(path)))
    image = read_picture(path, (10, 10), 3)
    assert image.shape == (10, 10, 3)
    assert image[5, 0].tolist() == [255, 0, 0]
    assert image[5, 9].tolist() == [0, 0, 255]
    assert image[0, 0, 1] > 200  # nothing is cropped above
    assert read_picture(path, (10, 10), 1).shape == (10, 10, 1)


def test_a_picture_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row of pixels is the right-hand side
    image = read_picture(picture(tmp_path / "a.png", exif=exif), (40, 20), 3)
    assert image[0, 5].tolist() == [255, 0, 0]
    assert image[30, -1].tolist() == [0, 255, 255]


def test_kinds_of_pictures(tmp_path):
    for mode, suffix in [("L", "png"), ("1", "png"), ("P", "png"), ("CMYK", "jpg"), ("YCbCr", "jpg"), ("LA", "png")]:
        assert read_picture(picture(tmp_path / f"{mode}.{suffix}", mode=mode), (10, 10), 3).shape == (10, 10, 3)
    transparent = np.zeros((20, 20, 4), np.uint8)
    Image.fromarray(transparent).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", (20, 20), 3) == 255).all()
    ramp = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "b.png")
    expected = np.rint(ramp / 257).astype(np.uint8)[..., None]
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png", (20, 20), 1), expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        # ruff: noqa: E501
        ("cut.png", lambda path: path.write_bytes(path.read_bytes()[:-40]), "is a broken or truncated picture"),
        ("empty.png", lambda path: path.write_bytes(b""), "is no picture that can be read"),
        ("text.jpg", lambda path: path.write_text("<svg/>"), "is no picture that can be read"),
        ("bomb.png", lambda path: Image.new("1", (10000, 10000)).save(path), "has more than 89 million pixels"),
        ("worse.png", lambda path: Image.new("1", (20000, 20000)).save(path), "has more than 89 million pixels"),
        ("two.tif", lambda path: Image.new("L", (9, 9)).save(path, save_all=True, append_images=[Image.new("L", (9, 9))]), "has 2 frames"),
        ("float.tif", lambda path: Image.new("F", (9, 9)).save(path), "32 bits per channel"),
        ("a.eps", lambda path: Image.new("L", (9, 9)).save(path), "is no picture that can be read"),  # it starts a program
        ("gone.png", lambda path: path.unlink(), "no such file"),
        ("folder.png", lambda path: (path.unlink(), path.mkdir()), "can't be read"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_one_line(tmp_path, name, content, message):
    path = picture(tmp_path / "a.png").rename(tmp_path / name)
    content(path)
    with pytest.raises(InputError, match=f"{name}: .*{message}") as error:
        read_picture(path, (16, 16), 3)
    assert "\n" not in str(error.value)
