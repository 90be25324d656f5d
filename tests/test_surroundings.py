"""Nothing of a user's environment decides a result."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ablation import files, surroundings
from conftest import ROOT, Checkout, run_digests, write_digits
from test_faults import SMALL

HOSTILE = {
    "GIT_DIR": "/nonexistent",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
    "KERAS_BACKEND": "jax",
    "LC_ALL": "tr_TR.UTF-8",
    "LANG": "de_DE",
    "MPLBACKEND": "nonsense",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    "OMP_DYNAMIC": "true",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "PYTHONHASHSEED": "7",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii",
    "PYTHONOPTIMIZE": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "7",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "TZ": "Asia/Kathmandu",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
}
# A variable of each library and program that reads some.
VARIABLES = [
    *("TF_CUDNN_USE_AUTOTUNE", "XLA_PYTHON_CLIENT_PREALLOCATE", "KERAS_HOME", "NVIDIA_TF32_OVERRIDE"),
    *("CUBLAS_WORKSPACE_CONFIG", "CUDNN_LOGDEST_DBG", "ONEDNN_VERBOSE", "DNNL_MAX_CPU_ISA"),
    *("OPENBLAS_CORETYPE", "GOTO_UNKNOWN", "MKL_CBWR", "BLIS_ARCH_TYPE", "VECLIB_UNKNOWN", "OMP_SCHEDULE"),
    *("KMP_AFFINITY", "GOMP_SPINCOUNT", "NPY_PROMOTION_STATE", "NUMPY_MADVISE_HUGEPAGE"),
    *("NUMEXPR_MAX_THREADS", "SCIPY_ARRAY_API", "SKLEARN_ASSUME_FINITE", "PANDAS_COPY_ON_WRITE"),
    *("MPLBACKEND", "MATPLOTLIBDATA", "PYTHONOPTIMIZE", "LC_NUMERIC", "LANGUAGE", "TZDIR", "GLIBC_TUNABLES"),
    *("GIT_WORK_TREE",),
]
PLACES_AND_THREADS = [
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONUNBUFFERED"),
    *("PYTHONFAULTHANDLER", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "OMP_NUM_THREADS"),
    *("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS",),
]
KERAS = {"epsilon": 1e-3, "floatx": "float16", "image_data_format": "channels_first", "backend": "jax"}


def test_what_decides_is_set_or_absent_and_all_else_is_kept():
    places = {
        "HOME": "/home/a",
        "PATH": "/bin",
        "PYTHONPATH": "/mine",
        "CUDA_VISIBLE_DEVICES": "1",
        "OMP_NUM_THREADS": "2",
        "XLA_FLAGS": "--xla_gpu_cuda_data_dir=/cuda --xla_cpu_enable_fast_math=true",
    }
    expected = places | surroundings.SET | {"XLA_FLAGS": "--xla_gpu_cuda_data_dir=/cuda"}
    assert surroundings.settled({**HOSTILE, **places}) == expected
    assert surroundings.settled(HOSTILE) == surroundings.settled({}) == surroundings.SET
    assert surroundings.settled(expected) == expected


def test_every_library_s_variables_are_absent_but_for_places_and_threads():
    assert surroundings.settled(dict.fromkeys(VARIABLES, "x")) == {
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": "/dev/null/keras",
        "LC_ALL": "C.UTF-8",
        "MATPLOTLIBRC": "/dev/null",
        "MPLBACKEND": "agg",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TZ": "UTC",
    }
    kept = dict.fromkeys(PLACES_AND_THREADS, "x")
    assert surroundings.settled(kept) == kept | surroundings.SET


@pytest.mark.parametrize("program", sorted((ROOT / "scripts").glob("*.py")), ids=lambda program: program.name)
def test_every_program_settles_before_it_imports_a_library(program, tmp_path):
    """A user's own module, in place of numpy, says what a library would see when it is imported."""
    (tmp_path / "numpy.py").write_text("import os, sys; sys.exit(str(sorted(os.environ.items())))")
    environment = os.environ | HOSTILE | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, program, "--help"], env=environment, capture_output=True, text=True)
    seen = done.stderr or str(sorted(surroundings.SET.items()))  # a program without libraries
    assert all(str(item) in seen for item in surroundings.SET.items())
    assert "KATHMANDU" not in seen.upper()
    assert "hwcaps" not in seen


def test_no_other_process_is_touched():
    """Neither Snakemake's, whose jobs may be another workflow's, nor a notebook that imports the library."""
    code = "import os, ablation; print(os.environ['TZ'])"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"TZ": "Asia/Kathmandu"}, capture_output=True)
    assert done.stdout == b"Asia/Kathmandu\n"


def test_closed_streams(tmp_path):
    """No file of a program's gets the number of standard output, which libraries write to."""
    said = tmp_path / "said"
    streams = "' '.join(os.readlink(f'/proc/self/fd/{number}') for number in range(3))"
    (tmp_path / "numpy.py").write_text(f"import os\nstreams = {streams}\nopen({str(said)!r}, 'w').write(streams)\n")
    command = f"PYTHONPATH='{tmp_path}' '{sys.executable}' '{ROOT}/scripts/train.py' <&- >&- 2>&-"
    subprocess.run(["bash", "-c", command])
    assert said.read_text() == " ".join([os.devnull] * 3)


@pytest.mark.faults
def test_the_same_bits_in_a_hostile_environment(tmp_path):
    """Whitening, training, evaluation, figures, table."""
    config = SMALL | {"models": {"plain": {}}, "limits": {"train_images": 200, "epochs": 2}}
    home = tmp_path / "home"
    for path, text in {
        ".keras/keras.json": json.dumps(KERAS),
        ".config/matplotlib/matplotlibrc": "text.usetex: True\nsavefig.dpi: 31\nfont.size: 30\n",
    }.items():
        (home / path).parent.mkdir(parents=True)
        (home / path).write_text(text)
    targets = [
        *(f"results/runs/plain/seed1/{name}" for name in ("model.keras", "metrics.json")),
        *("results/figures/loss_plain.png", "results/figures/whitening.png", "results/report/accuracy.md"),
    ]
    found = {}
    for name, more in {"clean": {}, "hostile": HOSTILE | {"HOME": str(home)}}.items():
        (tmp_path / name).mkdir()
        checkout = Checkout(tmp_path / name)
        write_digits(checkout.path)
        checkout.write("config.yaml", config)
        run = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *targets],
            cwd=checkout.path,
            env=os.environ | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert all((checkout.path / target).exists() for target in targets), run.stdout
        results = checkout.path / "results"
        figures = sorted(results.glob("figures/*.png"))
        pictures = [files.array_digest(np.asarray(Image.open(figure)))[:16] for figure in figures]
        vectors = [
            hashlib.sha256(path.read_bytes().rpartition(b"made from")[0]).hexdigest()[:16]  # not of when it was trained
            for suffix in ("pdf", "svg")
            for path in sorted(results.glob(f"figures/*.{suffix}"))
        ]
        found[name] = [*run_digests(results / "runs/plain/seed1"), *pictures, *vectors]
        print(f"\n{name}: history, weights, predictions, figures {found[name]}")
    assert found["clean"] == found["hostile"]
