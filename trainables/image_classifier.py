"""An image classifier as one fold run: a timm backbone trained on every fold but one.

Keeps `orchestrator.trial.Trainable`. Every draw of epoch e follows from (seed, e), see chance.py; all else
that continuing needs is in `state()`. So on a CPU the continued run equals the uninterrupted one bit for bit.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.errors import NonFiniteError, TrainableError
from orchestrator.metrics import accuracy, macro_f1, score
from orchestrator.trial import Config, Dataset, Parameter, Progress, Resources
from trainables import chance, preparation
from trainables.augment import Augmenter
from trainables.batches import in_order, slices
from trainables.image_store import open_store
from trainables.inference import (
    ImagePredictor,
    autocast,
    device_of,
    load_predictor,
    loader_pool,
    probabilities_of,
    to_tensor,
    use_threads,
)
from trainables.losses import build_loss
from trainables.models import build_network
from trainables.optim import Schedule, build_optimizer
from trainables.parameters import PARAMETERS, completed
from trainables.sampling import epoch_order

Batch = tuple[Tensor, Tensor]
CHECK_EVERY = 32  # steps between looks at the loss: each look makes a GPU wait


class ImageClassifier:
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._dataset, self._fold, self._seed = dataset, fold, seed
        self._config = completed(config)
        self._train_rows, self._val_rows = dataset.training_rows(fold), dataset.validation_rows(fold)
        if len(self._train_rows) < 2 or len(self._val_rows) == 0:
            raise TrainableError(
                f"fold {fold} has {len(self._train_rows)} training and {len(self._val_rows)} validation "
                "rows; it needs 2 and 1"
            )
        use_threads(resources)
        self._device = device_of(resources)
        self._images = open_store(dataset, int(self._config["image_size"]))
        self._augment = Augmenter(self._config["augment"])
        self._loss = build_loss(self._config)
        with chance.torch_seeded(self._device, seed, chance.WEIGHTS):
            self._network = build_network(self._config, len(dataset.classes)).to(self._device)
        self._batch_size = min(int(self._config["batch_size"]), len(self._train_rows))
        self._steps = len(self._train_rows) // self._batch_size
        self._optimizer = build_optimizer(self._network, self._config)
        self._schedule = Schedule(self._optimizer, self._config, self._steps, max_epochs)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._needs_scaler())
        self._pool, self._ahead = loader_pool(resources, self._device), 2 * resources.cpus
        self._epoch = 0  # epochs done
        self._probabilities: NDArray[np.float32] | None = None

    # ---- one epoch ---------------------------------------------------------------------------------

    def run_epoch(self) -> dict[str, float]:
        """Trains one epoch and validates. loss_train is the configured loss, loss_val plain cross-entropy."""
        started = time.perf_counter()
        lr = float(self._optimizer.param_groups[0]["lr"])
        with chance.torch_seeded(self._device, self._seed, chance.NETWORK, self._epoch):
            loss_train = self._train_epoch()
        seconds = time.perf_counter() - started
        self._epoch += 1
        self._schedule.after_epoch(self._epoch, loss_train)
        return {
            "loss_train": loss_train,
            **self._validate(),
            "lr": lr,
            "images_per_second": self._steps * self._batch_size / seconds,
        }

    def _train_epoch(self) -> float:
        self._network.freeze_backbone(self._epoch < self._config["freeze_epochs"])
        self._network.train()
        clip = float(self._config["grad_clip"])
        losses: list[Tensor] = []
        for step, (images, labels) in enumerate(self._training_batches()):
            with autocast(self._device, self._config["amp"]):
                logits = self._network(images)
            loss = self._loss(logits.float(), labels)
            self._optimizer.zero_grad(set_to_none=True)
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            if clip:
                self._scaler.unscale_(self._optimizer)
                torch.nn.utils.clip_grad_norm_(self._network.parameters(), clip)
            self._scaler.step(self._optimizer)
            self._scaler.update()
            self._schedule.after_step(self._epoch * self._steps + step + 1)
            losses.append(loss.detach())
            if self._device.type == "cpu" or len(losses) % CHECK_EVERY == 0:
                self._check_finite(losses[-CHECK_EVERY:], step)
        self._check_finite(losses[-CHECK_EVERY:], len(losses) - 1)
        return float(torch.stack(losses).double().mean())

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self._network.eval()
        rows, loss = [], 0.0
        for images, labels in self._validation_batches():
            with autocast(self._device, self._config["amp"]):
                logits = self._network(images).float()
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            rows.append(probabilities_of(logits))
        self._probabilities = np.concatenate(rows)
        if not (np.isfinite(loss) and np.isfinite(self._probabilities).all()):
            raise NonFiniteError(
                f"validation loss {loss} after epoch {self._epoch}, fold {self._fold}; "
                f"lower lr={self._config['lr']}"
            )
        labels_val = self._dataset.labels[self._val_rows]
        predicted, classes = self._probabilities.argmax(axis=1), len(self._dataset.classes)
        metric = self._dataset.metric
        return {
            "loss_val": loss / len(labels_val),
            "macro_f1": macro_f1(labels_val, predicted, classes),
            "accuracy": accuracy(labels_val, predicted, classes),
            metric: score(metric, labels_val, self._probabilities),
        }

    def _check_finite(self, losses: Sequence[Tensor], last_step: int) -> None:
        finite = torch.isfinite(torch.stack(list(losses))).cpu().numpy()
        if not finite.all():
            step = last_step - len(losses) + 1 + int(np.argmin(finite))
            lr = self._optimizer.param_groups[0]["lr"]
            raise NonFiniteError(
                f"training loss {float(losses[int(np.argmin(finite))])} in epoch {self._epoch + 1}, "
                f"step {step + 1} of {self._steps}, fold {self._fold}, lr {lr:.3g}; lower lr or set grad_clip"
            )

    # ---- batches -----------------------------------------------------------------------------------

    def _training_batches(self) -> Iterator[Batch]:
        rng = chance.stream(self._seed, chance.ORDER, self._epoch)
        labels = self._dataset.labels[self._train_rows]
        order = self._train_rows[
            epoch_order(self._config["sampler"], labels, len(self._dataset.classes), rng)
        ]

        def make(step: int) -> Batch:
            rows = order[step * self._batch_size : (step + 1) * self._batch_size]
            rng = chance.stream(self._seed, chance.AUGMENT, self._epoch, step)
            return self._batch(self._augment(self._images[rows], rng), rows)

        return self._on_device(in_order(make, self._steps, self._pool, self._ahead))

    def _validation_batches(self) -> Iterator[Batch]:
        parts = slices(len(self._val_rows), max(64, self._batch_size))

        def make(step: int) -> Batch:
            rows = self._val_rows[parts[step]]
            return self._batch(np.ascontiguousarray(self._images[rows]), rows)

        return self._on_device(in_order(make, len(parts), self._pool, self._ahead))

    def _batch(self, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> Batch:
        return to_tensor(images, self._device), torch.from_numpy(self._dataset.labels[rows])

    def _on_device(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for images, labels in batches:
            yield images.to(self._device, non_blocking=True), labels.to(self._device, non_blocking=True)

    # ---- what leaves and comes back ----------------------------------------------------------------

    def probabilities(self) -> NDArray[np.float32]:
        """Of the last `run_epoch`, (n_val, C), in the order of `dataset.validation_rows(fold)`."""
        if self._probabilities is None:
            raise RuntimeError("probabilities() before the first run_epoch()")
        return self._probabilities

    def weights(self) -> bytes:
        """The network as safetensors, float32."""
        tensors = {key: value.contiguous().cpu() for key, value in self._network.state_dict().items()}
        data: bytes = safetensors.torch.save(tensors)
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
        self._scaler.load_state_dict(state["scaler"])
        self._epoch = int(state["epoch"])
        self._probabilities = None

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "epoch": self._epoch,
        }

    def _needs_scaler(self) -> bool:
        """float16's small range needs one; bfloat16 has float32's range."""
        context = autocast(self._device, self._config["amp"])
        return getattr(context, "fast_dtype", None) == torch.float16

    def close(self) -> None:
        """Frees memory, GPU memory included; the object cannot be used afterwards."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for name in ("_network", "_optimizer", "_schedule", "_scaler", "_images"):
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
    ) -> None:
        """Checks backbones and weights, then decodes the images. Raises InputError."""
        preparation.check_networks(values, len(dataset.classes))
        preparation.build_stores(dataset, values, progress)

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> ImagePredictor:
        return load_predictor(weights, completed(config), classes, resources)
