"""Failed allocations get one sentence; whatever else torch raises stays what it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from conftest import mean_color_spec, textured_pixels
from torch import Tensor, nn

from cvpire.classifiers.classifier import Classifier, classify
from cvpire.errors import OutOfMemoryError
from cvpire.images.photo import Photo
from cvpire.protection import protect
from cvpire.rehearsal import Scene, rehearse
from cvpire.runs import RUNS

ACCELERATOR = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED (CUDA out of memory)"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB, max allowed: 9.07 GB)"),
]
MACHINE = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9000000000 bytes"),
    RuntimeError("std::bad_alloc"),
]
OTHERS = [
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x3 and 4x12)"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
]


class Raising(nn.Module):
    """A network that fails as it is told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def forward(self, images: Tensor) -> Tensor:
        raise self._error


def failing(error: Exception) -> Classifier:
    return Classifier(mean_color_spec(), Raising(error), "native").eval()


def photo() -> Photo:
    return Photo(textured_pixels())


@pytest.mark.parametrize("error", ACCELERATOR, ids=str)
def test_an_accelerator_s_memory_is_named(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match=r"than this machine's accelerator has free: make "):
        protect(photo(), failing(error), RUNS["Top1-min"])


@pytest.mark.parametrize("error", MACHINE, ids=str)
def test_the_machine_s_memory_is_named(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match="than this machine has free: make it smaller"):
        protect(photo(), failing(error), RUNS["Top1-min"])


@pytest.mark.parametrize("error", OTHERS, ids=str)
def test_other_errors_are_what_they_are(error: Exception) -> None:
    with pytest.raises(RuntimeError) as caught:
        protect(photo(), failing(error), RUNS["Top1-min"])
    assert caught.value is error


def test_looking_at_a_photo_needs_memory_too(mean_color_classifier: Classifier) -> None:
    starving = failing(ACCELERATOR[0])
    with pytest.raises(OutOfMemoryError):
        classify(photo(), starving)
    with pytest.raises(OutOfMemoryError):
        rehearse(photo(), None, [Scene(starving, 0, is_attacked=True)])


def test_an_array_that_is_too_large() -> None:
    class Large(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            np.zeros((1 << 50,), np.uint8)
            raise AssertionError("there was enough")

    classifier = Classifier(dataclasses.replace(mean_color_spec()), Large(), "native")
    with pytest.raises(OutOfMemoryError, match="this machine has free"):
        classify(photo(), classifier)
