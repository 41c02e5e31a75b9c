"""The contract between the orchestrator and a model that learns: one class, found by its dotted name."""

from __future__ import annotations

import importlib
from abc import ABCMeta
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.code_origin import compile_own
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import InputError, TrainableError
from orchestrator.core.text import on_one_line

if TYPE_CHECKING:
    from orchestrator.core.disk_needs import DiskNeeds

Config = Mapping[str, Any]
"""One configuration: parameter name -> JSON value. Inactive conditional parameters are absent."""


NO_MODULE = "<space file>"
"""Name under which a space file runs whose own name is another module's."""


@dataclass(frozen=True)
class Resources:
    """What one fold run may use."""

    cpus: int = 1  # cores, for computing and for reading images together
    gpus: float = 0.0  # a fraction below 1 shares a GPU with other fold runs; 0 leaves the CPU alone


@dataclass(frozen=True)
class Parameter:
    """One parameter a trainable accepts."""

    default: Any  # its value in a configuration that does not name it
    types: tuple[str, ...] = ("float",)  # of: "bool", "int", "float", "str", "none"
    choices: tuple[Any, ...] | None = None  # the values allowed; None allows any of `types`
    minimum: float | None = None  # the smallest number allowed; None sets no limit
    maximum: float | None = None  # the largest number allowed; None sets no limit
    doc: str = ""  # what it does, in a few words
    former: str = ""  # its name in an earlier version, under which it is still accepted


class Predictor(Protocol):
    """One model in memory.

    `Ensemble.predict` also uses predict_arrays(images, tta, progress, columns) where it exists: the same of
    RGB pixels in place of files, arrays (H, W, 3) of uint8 of any sizes.
    """

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Class probabilities, shape (len(paths), C), rows summing to 1. Raises ImageReadError.

        columns: of the manifest, as in `Dataset.columns`, each of len(paths); face boxes for example.
        """
        ...


class Trainable(Protocol):
    """One fold run in memory. Built by a worker, driven epoch by epoch.

    `python -m orchestrator.check` also uses classmethods where they exist: check_values(values,
    dataset), which raises InputError for values that cannot work; check_images(values, dataset, progress),
    which does the same for images and returns what is worth telling of them; and preview(dataset, config,
    fold, rows, repeats, seed), which gives paths, labels and images as training and validation see them.
    What else is measured of images comes from measure_images(images, progress, values), where it exists, else
    from the shipped classifier's: see core.measuring. So does what a frozen network says of them, (n, D)
    float32 with NaN for what cannot be read: embed_images(images, backbone, pretrained, progress), where
    pretrained is a file of weights or "hub".
    Small pictures for people come from thumbnails(root, paths, side): see core.thumbnails.
    `tune` asks disk_needs(dataset, values), where it exists, how many bytes fold runs will store
    (`core.disk_needs`); otherwise the first checkpoint shows it.
    How many fold runs fit on a machine together is measured before a search where these classmethods exist
    (`core.fold_run_cost`); otherwise the first fold runs show it:
    cost_parameters() -> the names of the parameters that the next two follow from;
    cost_family(config) -> what else than size makes fold runs cost differently, a dict of JSON values such as
        {"backbone": "resnet18", "optimizer": "adamw", "has_average": True};
    cost_size(config) -> how large it is within its family, such as the pixels of a batch;
    cost_estimate(config, classes, resources) -> bytes that it can need at most, in some milliseconds and
        without computing; optional even then: where slots of that size fit anyway, nothing is measured;
    probe(config, classes, rows, resources, seconds, meet) -> FoldRunCost of real steps, validation and state
        on drawn images, in this process, which is its own and new: its peak is that of the probe. classes and
        rows: of the data set; seconds: that it should take at most; meet: called once when all is warm, right
        before steps are timed, for others on the same GPU may begin at that moment. Its device_bytes are
        how much more of the GPU it held at its peak than when it returns; who calls adds that, with CUDA's
        own. Raises what a fold run would raise.
    """

    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None: ...

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        """Every parameter it accepts; a space that names another one is refused."""
        ...

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> Sequence[str] | None:
        """Once per node before anything runs: check weights, decode images. `values` maps each parameter
        to the values it can take (defaults included). Returns lines worth telling the user, if any; those
        that several nodes return are told once. Raises InputError."""
        ...

    def run_epoch(self) -> dict[str, float]:
        """Trains one epoch and validates. Finite metrics, `dataset.metric` among them.

        Raises NonFiniteError.
        """
        ...

    def probabilities(self) -> NDArray[np.float32]:
        """Of the last `run_epoch`, (n_val, C), in the order of `dataset.validation_rows(fold)`."""
        ...

    def weights(self) -> bytes:
        """The model as safetensors: what `load_predictor` needs."""
        ...

    def state(self) -> bytes:
        """All that continuing needs: model, optimizer, scheduler, RNG, position.

        Loads with weights_only=True.
        """
        ...

    def load_state(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Frees memory, GPU memory included."""
        ...

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> Predictor:
        """A predictor from `weights()`; resources None: a GPU if there is one, else all cores."""
        ...


def current_name(name: str, accepted: Mapping[str, Parameter]) -> str:
    """The name under which a parameter is accepted now; itself where it never had another."""
    if name in accepted:
        return name
    return next((now for now, item in accepted.items() if item.former == name), name)


def with_current_names(config: Config, accepted: Mapping[str, Parameter]) -> dict[str, Any]:
    """The configuration under the names of now. Where both are given the later one counts: a study's defaults
    come before what its trial chose."""
    return {current_name(name, accepted): value for name, value in config.items()}


def dotted_name(trainable: str | type[Any]) -> str:
    """ "module:Class" of a class, as a space stores it.

    Raises TrainableError where no other process finds it.
    """
    if isinstance(trainable, str):
        return trainable
    module, name = getattr(trainable, "__module__", ""), getattr(trainable, "__qualname__", "")
    if not name or "<locals>" in name:
        raise TrainableError(
            f"trainable={trainable!r} is no class at the top of a module; name one, as 'my_model:sgd'"
        )
    if module in ("__main__", NO_MODULE):
        raise TrainableError(
            f"trainable={name} is defined where workers cannot import it (a notebook, a script, a file that "
            f"shares its name with another module); move it to my_model.py and name it 'my_model:{name}'"
        )
    return f"{module}:{name}"


def load_trainable(name: str) -> type[Trainable]:
    """ "module:Class" -> the class. Raises TrainableError."""
    module, _, attribute = name.partition(":")
    compile_own(module)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except InputError:
        raise
    except ModuleNotFoundError as error:
        raise TrainableError(
            f"trainable={name!r} cannot be imported: {error}; install it, start the command in the "
            "folder where it lies, or name the space file beside it (--space)"
        ) from error
    except Exception as error:  # whatever the module's own code raises on import
        raise TrainableError(
            f"trainable={name!r} cannot be imported: {type(error).__name__}: {on_one_line(str(error))}; "
            "correct the space's `trainable` or install what it needs"
        ) from error
    refuse_incomplete(found, name)
    trainable: type[Trainable] = found
    return trainable


def asked_for_disk_needs(
    name: str, dataset: Dataset, values: Mapping[str, Sequence[Any]]
) -> DiskNeeds | None:
    """What "module:Class" says of its files; None where it does not say. Raises InputError."""
    ask = getattr(load_trainable(name), "disk_needs", None)
    found: DiskNeeds | None = None if ask is None else ask(dataset, values)
    return found


def refuse_incomplete(found: Any, name: str) -> None:
    """Raises TrainableError where something called `name` lacks a part of the contract."""
    missing = [
        item for item in ("parameters", "prepare", "run_epoch", "load_predictor") if not hasattr(found, item)
    ]
    if missing and isinstance(found, FunctionType):
        raise TrainableError(
            f"trainable={name!r} is a plain function; write @trainable(...) above it, with its parameters"
        )
    contract = "orchestrator.core.trainable.Trainable"
    if not missing and isinstance(found, ABCMeta):
        # Left alone, a class whose train_epoch is misspelt would be searched without ever training.
        missing = sorted(found.__abstractmethods__)
        asks = next((base for base in found.__mro__ if missing and missing[0] in vars(base)), found)
        contract = f"{asks.__module__}.{asks.__qualname__}"
    if missing:
        raise TrainableError(f"trainable={name!r} lacks {', '.join(missing)}; see {contract}")
