"""Stands in for nvidia-ml-py where there is no NVML: it answers what the JSON file $NVML_ANSWERS says.

The file is a list of cards: {"uuid": ..., "processes": [ids]}, or with "instances", {index: {"uuid": ...,
"processes": [...]}}, for one in MIG mode. A card that is null is broken. Without the file there is no NVML.
"""

import json
import os
from types import SimpleNamespace

NVML_DEVICE_MIG_ENABLE = 1


class NVMLError(Exception):
    pass


def _cards():
    with open(os.environ["NVML_ANSWERS"]) as file:
        return json.load(file)


def _entry(handle):
    card, *instance = handle
    entry = _cards()[card]
    if entry is None:
        raise NVMLError("GPU is lost")
    return entry["instances"][instance[0]] if instance else entry


def nvmlInit():
    if "NVML_ANSWERS" not in os.environ:
        raise NVMLError("NVML Shared Library Not Found")


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return len(_cards())


def nvmlDeviceGetHandleByIndex(index):
    _entry((index,))
    return (index,)


def nvmlDeviceGetUUID(handle):
    return _entry(handle)["uuid"]


def nvmlDeviceGetMigMode(device):
    if "instances" not in _entry(device):
        raise NVMLError("Not Supported")
    return [NVML_DEVICE_MIG_ENABLE, NVML_DEVICE_MIG_ENABLE]


def nvmlDeviceGetMaxMigDeviceCount(device):
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(device, index):
    if str(index) not in _entry(device)["instances"]:
        raise NVMLError("Not Found")
    return (*device, str(index))


def nvmlDeviceGetComputeRunningProcesses(handle):
    return [SimpleNamespace(pid=process) for process in _entry(handle)["processes"]]
