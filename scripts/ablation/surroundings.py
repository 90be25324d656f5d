"""What a result could depend on besides its input: variables of the environment, and files that they lead to.

A program of this workflow starts itself again with those that decide set or absent, before a library reads them.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[1]
MARK = "ABLATION_PROCESS"  # the process that was started again
# Prefixes of variables that libraries read: TensorFlow, XLA, Keras, CUDA's, oneDNN, BLAS, OpenMP, NumPy and its like,
# matplotlib; Python; the C library; git.
DECIDING = (
    *("TF_", "XLA_", "KERAS_", "NVIDIA_TF32_", "CUBLAS_", "CUDNN_", "ONEDNN_", "DNNL_"),
    *("OPENBLAS_", "GOTO_", "MKL_", "BLIS_", "VECLIB_", "OMP_", "KMP_", "GOMP_"),
    *("NPY_", "NUMPY_", "NUMEXPR_", "SCIPY_", "SKLEARN_", "PANDAS_", "MPLBACKEND", "MATPLOTLIB"),
    *("PYTHON", "LC_", "LANG", "TZ", "GLIBC_TUNABLES", "GIT_"),
)
# Of these, what says where files are, and how many threads a job has, which Snakemake sets.
KEPT = {
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONUNBUFFERED", "PYTHONFAULTHANDLER"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
    *(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "GOTO", "MKL", "NUMEXPR")),
    "VECLIB_MAXIMUM_THREADS",
}
SET = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": f"{os.devnull}/keras",  # can't be: no keras.json is read or written
    "LC_ALL": "C.UTF-8",
    "MATPLOTLIBRC": os.devnull,
    "MPLBACKEND": "agg",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",  # errors only
    "TZ": "UTC",
}
CUDA_FOLDER = "--xla_gpu_cuda_data_dir="  # of XLA_FLAGS: says where files are


def settled(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing decides a result that is not the same for all users."""
    kept = {name: value for name, value in environment.items() if name in KEPT or not name.startswith(DECIDING)}
    folders = [flag for flag in environment.get("XLA_FLAGS", "").split() if flag.startswith(CUDA_FOLDER)]
    return kept | SET | ({"XLA_FLAGS": " ".join(folders)} if folders else {})


def settle() -> None:
    """Settle the environment of this process, where it runs a program of this workflow; leave any other as it is.

    The process starts again, since Python and the C library read some variables before anything else; with standard
    input, output and error open, so that no file of results is ever one of them.
    """
    program = getattr(sys.modules["__main__"], "__file__", None)
    if program is None or Path(program).resolve().parent != PROGRAMS or os.environ.pop(MARK, "") == str(os.getpid()):
        return
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(free, True)
    os.close(free)
    environment = settled(os.environ) | {MARK: str(os.getpid())}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
