"""An image classifier as one fold run: a timm backbone trained on every fold but one.

Keeps the contract `core.trainable.Trainable`. Every draw of epoch e follows from (seed, e), see seeding.py;
all else that continuing needs is in `state()`. So on a CPU the continued run equals the uninterrupted one bit
for bit.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import DiskNeeds
from orchestrator.core.errors import NonFiniteError
from orchestrator.core.fold_run_cost import FoldRunCost
from orchestrator.core.image_measures import ImageSource
from orchestrator.core.metrics import epoch_scores, log_loss
from orchestrator.core.trainable import Config, Parameter, Resources
from trainables import cost_rules, preparation, seeding
from trainables.data_check import check_data
from trainables.device import autocast, device_of, loader_pool, untimed_kernels, use_kernels, use_threads
from trainables.device_estimate import network_bytes
from trainables.disk_needs import disk_needs
from trainables.feed.fold_loader import Batch, FoldLoader
from trainables.images.looking import LooksAtImages
from trainables.images.tta import averaged
from trainables.inference import ImagePredictor, load_predictor
from trainables.losses.target_shape import target_shape
from trainables.network.network import build_network
from trainables.network.stored_weights import as_stored, stored
from trainables.optimisation.compiling import TrainingForward
from trainables.optimisation.ema import Average
from trainables.optimisation.optim import Schedule, build_optimizer
from trainables.optimisation.train_step import Step, in_groups
from trainables.parameters import PARAMETERS, completed
from trainables.preview import Preview, preview
from trainables.validation_batch import CudaMemory, ValidationBatch

CHECK_EVERY = 32  # steps between looks at the loss: each look makes a GPU wait


class ImageClassifier(LooksAtImages):
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._dataset, self._fold, self._seed = dataset, fold, seed
        self._config = completed(config)
        use_threads(resources)
        self._device = device_of(resources)
        use_kernels(self._device, bool(self._config["amp"]))
        self._pool = loader_pool(resources, self._device)
        self._loader = FoldLoader(
            dataset,
            fold,
            self._config,
            seed,
            self._device,
            self._pool,
            2 * resources.cpus,
            share=resources.gpus,
            network=lambda: network_bytes(self._config, len(dataset.classes)),
        )
        self._target = target_shape(dataset)
        self._objective = self._target.objective(self._config, self._loader.counts).to(self._device)
        with seeding.torch_seeded(self._device, seed, seeding.WEIGHTS):
            self._network = build_network(self._config, self._objective).to(self._device)
        decay = float(self._config["ema_decay"])
        self._average = Average(self._network, decay) if decay else None
        self._accumulate = int(self._config["accumulate"])
        self._steps = -(-self._loader.steps // self._accumulate)  # of the optimizer, in an epoch
        # A CPU has its loss at once; on a GPU each look waits for all that was queued.
        self._look_every = 1 if self._device.type == "cpu" else CHECK_EVERY
        self._optimizer = build_optimizer(self._network, self._config)
        self._schedule = Schedule(self._optimizer, self._config, self._steps, max_epochs)
        self._epochs = max_epochs
        self._forward = TrainingForward(self._network, self._config, self._device, dataset.cache_dir)
        self._step = Step(
            self._network, self._objective, self._optimizer, self._config, self._device, self._forward
        )
        memory = CudaMemory(self._device) if self._device.type == "cuda" else None
        self._validation_batch = ValidationBatch(self._loader.rows_per_epoch // self._loader.steps, memory)
        self._epoch = 0  # epochs done, restored by load_state
        self._probabilities: NDArray[np.float32] | None = None

    # ---- one epoch ---------------------------------------------------------------------------------

    def run_epoch(self) -> dict[str, float]:
        """Trains one epoch and validates. loss_train is the configured loss, loss_val the plain log loss."""
        started = time.perf_counter()
        lr = float(self._optimizer.param_groups[0]["lr"])
        with seeding.torch_seeded(self._device, self._seed, seeding.NETWORK, self._epoch):
            loss_train = self._train_epoch()
        seconds = time.perf_counter() - started
        self._epoch += 1
        self._schedule.after_epoch(self._epoch, loss_train)
        return {
            "loss_train": loss_train,
            **self._validate(),
            "lr": lr,
            "images_per_second": self._loader.rows_per_epoch / seconds,
        }

    def _train_epoch(self) -> float:
        self._validation_batch.before_training()
        frozen = self._epoch < self._config["freeze_epochs"]
        self._network.freeze_backbone(frozen)
        self._network.train()
        self._forward.begin(self._steps * (self._epochs - self._epoch), frozen)
        losses: list[Tensor] = []
        looked = 0  # losses that are known to be finite
        for step, batches in enumerate(in_groups(self._loader.training(self._epoch), self._accumulate)):
            losses.append(self._step(batches))
            self._after(self._epoch * self._steps + step + 1)
            if len(losses) - looked >= self._look_every or len(losses) == self._steps:
                self._check_finite(losses[looked:], step)
                looked = len(losses)
            self._forward.after_step(len(losses))
        self._forward.end(len(losses), frozen)
        return float(torch.stack(losses).double().mean())

    def _after(self, steps: int) -> None:
        """What follows optimizer step number `steps` (from 1) of the fold run."""
        self._schedule.after_step(steps)
        if self._average is not None:
            self._average.update(steps)

    def _validate(self) -> dict[str, float]:
        """Scores the rows as stored and their repeats; `probabilities()` are of the former."""
        first, *others = self._validation_batch.run(self._answers)
        self._probabilities = first.astype(np.float32)  # out of fold: of the rows as stored, never of repeats
        if not np.isfinite(first).all():
            raise NonFiniteError(
                f"probabilities that are not finite after epoch {self._epoch}, fold {self._fold}; "
                f"lower lr={self._config['lr']}"
            )
        scored = self._dataset.scored(self._fold)
        labels = self._dataset.labels[self._dataset.validation_rows(self._fold)][scored]
        judged = np.concatenate([self._probabilities[scored], *(other[scored] for other in others)])
        judged_labels = np.concatenate([labels] * (1 + len(others)))
        return {
            "loss_val": log_loss(labels, first[scored]),
            **epoch_scores(self._dataset.metric, judged_labels, judged, self._dataset.task),
        }

    def _answers(self, rows: int | None) -> NDArray[np.float64]:
        """Probabilities (1 + repeats, rows, C) of `_eval_network`, which go to the host in one copy.

        rows: of a batch; None: the loader's own number.
        """
        with untimed_kernels(), as_stored(self._eval_network, self._config["weights_dtype"]):
            passes = [
                self._predict(self._loader.validation(repeat, rows))
                for repeat in range(1 + int(self._config["validation_repeats"]))
            ]
        return np.asarray(torch.stack(passes).cpu().numpy(), np.float64)

    @torch.no_grad()
    def _predict(self, batches: Iterator[Batch]) -> Tensor:
        """(rows, C) on the device."""
        network = self._eval_network.eval()

        def probabilities(images: Tensor) -> Tensor:
            with autocast(self._device, self._config["amp"]):
                outputs = network(images)
            return self._objective.probabilities(outputs.float())

        return torch.cat([averaged(probabilities, images, self._config["tta"]) for images, _ in batches])

    @property
    def _eval_network(self) -> torch.nn.Module:
        """The network that is validated and stored: the average where there is one."""
        return self._network if self._average is None else self._average.network

    def _check_finite(self, losses: Sequence[Tensor], last_step: int) -> None:
        finite = torch.isfinite(torch.stack(list(losses))).cpu().numpy()
        if not finite.all():
            step = last_step - len(losses) + 1 + int(np.argmin(finite))
            lr = self._optimizer.param_groups[0]["lr"]
            raise NonFiniteError(
                f"training loss {float(losses[int(np.argmin(finite))])} in epoch {self._epoch + 1}, "
                f"step {step + 1} of {self._steps}, fold {self._fold}, lr {lr:.3g}; lower lr or set grad_clip"
            )

    # ---- what leaves and comes back ----------------------------------------------------------------

    def probabilities(self) -> NDArray[np.float32]:
        """Of the last `run_epoch`, (n_val, C), in the order of `dataset.validation_rows(fold)`."""
        if self._probabilities is None:
            raise RuntimeError("probabilities() before the first run_epoch()")
        return self._probabilities

    def weights(self) -> bytes:
        """The network that was validated, as safetensors; its header says what the outputs mean."""
        tensors = stored(self._eval_network, self._config["weights_dtype"])
        data: bytes = safetensors.torch.save(tensors, self._target.metadata())
        return data

    def state(self) -> bytes:
        """Model, optimizer, schedule, scaler and position; loads with weights_only=True."""
        buffer = io.BytesIO()
        torch.save(self._parts(), buffer)
        return buffer.getvalue()

    def load_state(self, data: bytes) -> None:
        state = torch.load(io.BytesIO(data), map_location=self._device, weights_only=True)
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._step.load_state_dict(state["scaler"])  # empty from a device that needs none
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        self._epoch = int(state["epoch"])
        self._probabilities = None

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._step.state_dict(),
            "average": {} if self._average is None else self._average.state_dict(),
            "epoch": self._epoch,
        }

    def close(self) -> None:
        """Frees memory, GPU memory included; the object cannot be used afterwards."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if (forward := self.__dict__.get("_forward")) is not None:
            forward.close()
        if "_loader" in self.__dict__:
            self._loader.close()
        for name in ("_network", "_average", "_optimizer", "_schedule", "_forward", "_step", "_loader"):
            self.__dict__.pop(name, None)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    # ---- what a class can say ----------------------------------------------------------------------

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return PARAMETERS

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> list[str]:
        """Checks backbones and weights, then decodes the images. Raises InputError."""
        cls.check_values(values, dataset)
        told = preparation.check_machine(values)
        preparation.check_networks(values, dataset)
        return told + preparation.build_stores(dataset, values, progress)

    @classmethod
    def disk_needs(cls, dataset: Dataset, values: Mapping[str, Sequence[Any]]) -> DiskNeeds | None:
        """Bytes of checkpoints and of decoded images that are still to be made. Raises TrainableError."""
        return disk_needs(dataset, values)

    @classmethod
    def cost_parameters(cls) -> Sequence[str]:
        return cost_rules.NAMES

    @classmethod
    def cost_family(cls, config: Config) -> dict[str, Any]:
        return cost_rules.cost_family(completed(config))

    @classmethod
    def cost_size(cls, config: Config) -> float:
        """Pixels of a batch."""
        return cost_rules.cost_size(completed(config))

    @classmethod
    def cost_estimate(cls, config: Config, classes: int, resources: Resources) -> int:
        """Bytes of a fold run's process on a CPU, from shapes alone."""
        from trainables.cost_estimate import cost_estimate  # not for who trains

        return cost_estimate(config, classes, resources)

    @classmethod
    def probe(
        cls,
        config: Config,
        classes: int,
        rows: int,
        resources: Resources,
        seconds: float,
        meet: Callable[[], None],
    ) -> FoldRunCost:
        """What a fold run costs, from one on drawn pixels in this process."""
        from trainables.probe import probe  # not for who trains

        return probe(cls, completed(config), classes, rows, resources, seconds, meet)

    @classmethod
    def check_images(
        cls, values: Mapping[str, Sequence[Any]], dataset: Dataset, progress: Progress | None = None
    ) -> list[str]:
        """Decodes the images, stored at the smallest size; what is worth telling. Raises ImageReadError."""
        return preparation.build_stores(dataset, preparation.smallest_stores(values), progress)

    @classmethod
    def check_values(cls, values: Mapping[str, Sequence[Any]], dataset: Dataset) -> None:
        """Whether each parameter's values can work on this data, images unseen. Raises InputError."""
        preparation.check_texts(values)
        check_data(values, dataset)

    @classmethod
    def embed_images(
        cls, dataset: ImageSource, backbone: str, pretrained: bool | str, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """(n, D) what a frozen backbone says of each image, NaN for one that cannot be read; kept on disk."""
        from trainables.embedding import embed_images  # not for who trains

        return embed_images(dataset, backbone, pretrained, progress)

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> ImagePredictor:
        return load_predictor(weights, completed(config), classes, resources)

    @classmethod
    def export_onnx(cls, weights: bytes, config: Config, classes: int, path: Path) -> dict[str, Any]:
        """Writes the model as ONNX, pixels in and probabilities out; how pixels are prepared before."""
        from trainables.onnx_export import export_onnx  # not for who trains

        return export_onnx(weights, completed(config), classes, path)

    @classmethod
    def preview(
        cls, dataset: Dataset, config: Config, fold: int, rows: int, repeats: int, seed: int
    ) -> Preview:
        """What training and validation make of the same images, for a person to look at."""
        return preview(dataset, completed(config), fold, rows, repeats, seed)
