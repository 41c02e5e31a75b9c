"""Predicts with an exported ensemble. Needs onnxruntime, numpy and Pillow alone; this folder is complete.

    python predict.py a.jpg b.png                 a line an image: path, class, its probability
    python predict.py photos --csv answers.csv    every image of a folder; all probabilities

    from predict import Ensemble
    ensemble = Ensemble()                         # of the folder this file lies in
    probabilities = ensemble.predict(["a.jpg"])   # calibrated, (n, C); also of RGB arrays (H, W, 3) of uint8
    ensemble.names(ensemble.decide(probabilities))

Images become what they were in training: decoded, turned upright by EXIF, cropped or padded, resized by the
arithmetic of OpenCV's INTER_AREA and INTER_LINEAR. Read are images of 8 bits that Pillow knows; for others
(16 bits, DICOM, CMYK) use the ensemble's own folder.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Array = NDArray[Any]
Given = str | Path | Array
CROP = 7 / 8  # of each side, in the five crops
LEAST = 1e-7  # a probability's distance from 0 and 1, in logarithms
SURE = 0.501
CHUNK = 256  # images that are in memory together
BATCH = 32  # images a model is given at once
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")


class Ensemble:
    """Loads its models at the first prediction and keeps them. threads 0: as onnxruntime chooses.

    providers: of onnxruntime, such as ["CUDAExecutionProvider", "CPUExecutionProvider"].
    """

    def __init__(
        self, folder: str | Path | None = None, threads: int = 0, providers: Sequence[str] | None = None
    ) -> None:
        self.folder = Path(__file__).parent if folder is None else Path(folder)
        self.record = read_record(self.folder / "model.json")
        self.classes: list[str] = self.record["classes"]
        self.multi_label: bool = self.record["multi_label"]
        self._threads, self._providers = threads, list(providers or ["CPUExecutionProvider"])
        self._sessions: dict[str, Any] = {}

    def predict(self, images: Sequence[Given], tta: str | None = None) -> Array:
        """Calibrated probabilities (n, C). tta: none, flip, five_crop or five_crop_flip, if not its own."""
        parts = [self._answer(images[start : start + CHUNK], tta) for start in range(0, len(images), CHUNK)]
        return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *parts])

    def decide(self, probabilities: Array) -> Array:
        """Class numbers (n,); of several labels 0 and 1, (n, L)."""
        decisions = self.record["decisions"]
        if self.multi_label:
            values = np.array(decisions["values"]) if decisions else np.full(len(self.classes), 0.5)
            return cut(probabilities, values, bool(decisions and decisions["at_least_one"]))
        return decided(probabilities, decisions).argmax(axis=1)

    def names(self, labels: Array) -> list[str]:
        """The class of each image; of several labels those it has, with a blank between them."""
        if not self.multi_label:
            return [self.classes[label] for label in labels]
        return [" ".join(self.classes[at] for at in np.flatnonzero(row)) for row in labels]

    def _answer(self, images: Sequence[Given], tta: str | None) -> Array:
        prepared: dict[str, Array] = {}
        votes = [self._term(term, images, prepared, tta) for term in self.record["terms"]]
        routes = [self._route(route, votes) for route in self.record["routes"]]
        weights = [route["weight"] for route in self.record["routes"]]
        blended = routes[0] if len(routes) == 1 else mean(routes, weights)
        return calibrated(blended, self.record["temperature"], self.multi_label)

    def _route(self, route: Mapping[str, Any], votes: Sequence[Array]) -> Array:
        factors = [
            votes[own[0]].astype(np.float64)
            if len(own) == 1
            else np.stack([votes[at] for at in own], axis=1).astype(np.float64)
            for own in route["factors"]
        ]
        if len(factors) == 1:
            return factors[0].astype(np.float32)
        product = np.einsum(route["einsum"], *factors)
        return product.reshape(len(product), -1).astype(np.float32)

    def _term(
        self, term: Mapping[str, Any], images: Sequence[Given], prepared: dict[str, Array], tta: str | None
    ) -> Array:
        members = [self._member(member, images, prepared, tta) for member in term["members"]]
        return calibrated(voted(term, members), term["temperature"], term["multi_label"])

    def _member(
        self, member: Mapping[str, Any], images: Sequence[Given], prepared: dict[str, Array], tta: str | None
    ) -> Array:
        key = json.dumps(member["input"], sort_keys=True)
        if key not in prepared:
            prepared[key] = np.stack([prepare(image, member["input"]) for image in images])
        views = tta or self.record["tta"] or member["tta"]
        models = [self._model(name, prepared[key], views) for name in member["models"]]
        return np.mean(np.stack(models).astype(np.float64), axis=0).astype(np.float32)

    def _model(self, name: str, images: Array, tta: str) -> Array:
        session = self._session(name)
        rows = []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH].transpose(0, 3, 1, 2).astype(np.float32)
            answers = [
                session.run(None, {"images": np.ascontiguousarray(view)})[0] for view in views_of(batch, tta)
            ]
            rows.append(np.mean(np.stack(answers).astype(np.float64), axis=0).astype(np.float32))
        return np.concatenate(rows)

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            options.log_severity_level = 3
            path = self.folder / name
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != self.record["files"][name]:
                raise ValueError(f"{path} is not what was exported; export the ensemble anew")
            self._sessions[name] = onnxruntime.InferenceSession(data, options, providers=self._providers)
        return self._sessions[name]


def read_record(path: Path) -> dict[str, Any]:
    """What model.json says. Raises OSError, and ValueError where it was damaged or changed."""
    try:
        record = json.loads(path.read_bytes())
        is_whole = record.pop("digest") == record_digest(record)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise ValueError(f"{path} is damaged, or was changed since it was exported; export the ensemble anew")
    found: dict[str, Any] = record
    return found


def record_digest(record: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what it says, however it is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


# ---- images ---------------------------------------------------------------------------------------


def prepare(image: Given, spec: Mapping[str, Any]) -> Array:
    """(H, W, 3) uint8 of a file or of RGB pixels, as `spec` (a member's input in model.json) says."""
    pixels = checked(image) if isinstance(image, np.ndarray) else decode(Path(image), spec["background"])
    for step in spec["steps"]:
        pixels = STEPS[step["step"]](pixels, step)
    return resize(pixels, *spec["size"])


def checked(image: Array) -> Array:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"an array {image.shape} of {image.dtype}: give RGB (H, W, 3) of uint8, 0 to 255")
    return image


def decode(path: Path, background: Sequence[int]) -> Array:
    """(H, W, 3) RGB, upright, over `background` where it is transparent."""
    with Image.open(path) as opened:
        if opened.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            raise ValueError(f"{path}: its mode is {opened.mode}; give an image of 8 bits, grey or RGB")
        image = ImageOps.exif_transpose(opened)
        if image.mode not in ("LA", "PA", "RGBA") and "transparency" not in opened.info:
            return np.asarray(image.convert("RGB"), np.uint8)
        values = np.asarray(image.convert("RGBA"), np.uint8)
    shares = values[..., 3:].astype(np.uint16)
    sums = values[..., :3] * shares + np.array(background, np.uint16) * (255 - shares)
    return ((sums + 127) // 255).astype(np.uint8)


def center_crop(image: Array, step: Mapping[str, Any]) -> Array:
    height, width = (min(side, own) for side, own in zip(step["sides"], image.shape[:2], strict=True))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def crop(image: Array, step: Mapping[str, Any]) -> Array:
    return image[
        kept(image.shape[0], step["top"], step["bottom"]), kept(image.shape[1], step["left"], step["right"])
    ]


def kept(pixels: int, before: float, after: float) -> slice:
    start = min(round(pixels * before), pixels - 1)
    return slice(start, max(start + 1, pixels - round(pixels * after)))


def pad_square(image: Array, step: Mapping[str, Any]) -> Array:
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left), (0, 0)))


STEPS = {"center_crop": center_crop, "crop": crop, "pad_square": pad_square}


def resize(image: Array, height: int, width: int) -> Array:
    """Averages where both sides shrink (or stay), else interpolates, as OpenCV does for 8 bits."""
    own = image.shape[:2]
    if own == (height, width):
        return image
    if own[0] < height or own[1] < width:
        return linear(image, height, width)
    if own[0] % height == 0 and own[1] % width == 0:
        return blocks(image, height, width)
    return area(image, height, width)


def blocks(image: Array, height: int, width: int) -> Array:
    """INTER_AREA of whole blocks: sums of integers, divided once."""
    rows, columns = image.shape[0] // height, image.shape[1] // width
    sums = image.reshape(height, rows, width, columns, 3).sum(axis=(1, 3), dtype=np.int32)
    if (rows, columns) == (2, 2):
        return ((sums + 2) >> 2).astype(np.uint8)
    return np.rint(sums.astype(np.float32) * np.float32(1.0 / (rows * columns))).astype(np.uint8)


def area(image: Array, height: int, width: int) -> Array:
    """INTER_AREA of any shrinking: pixels weighted by the part of them that a new one covers."""
    across = weighted(image.astype(np.float32).transpose(1, 0, 2), width)  # (width, own height, 3)
    both = weighted(across.transpose(1, 0, 2), height)
    return np.clip(np.rint(both), 0, 255).astype(np.uint8)


def weighted(values: Array, size: int) -> Array:
    """(size, ...) of (own, ...), along the first axis."""
    taps, shares = area_table(len(values), size)
    total = np.zeros((size, *values.shape[1:]), np.float32)
    for at in range(taps.shape[1]):
        total += values[taps[:, at]] * shares[:, at].reshape(-1, *(1 for _ in values.shape[1:]))
    return total


@lru_cache(maxsize=256)
def area_table(own: int, size: int) -> tuple[Array, Array]:
    """(size, taps) pixels and their shares; those a new pixel does not need have a share of 0."""
    scale = 1.0 / (size / own)
    found: list[list[tuple[int, float]]] = []
    for at in range(size):
        start = at * scale
        end = start + scale
        cell = min(scale, own - start)
        first, last = math.ceil(start), min(math.floor(end), own - 1)
        first = min(first, last)
        taps = [(first - 1, (first - start) / cell)] if first - start > 1e-3 else []
        taps += [(pixel, 1.0 / cell) for pixel in range(first, last)]
        if end - last > 1e-3:
            taps.append((last, min(min(end - last, 1.0), cell) / cell))
        found.append(taps)
    most = max(map(len, found))
    padded = [taps + [(0, 0.0)] * (most - len(taps)) for taps in found]
    return np.array([[pixel for pixel, _ in taps] for taps in padded]), np.array(
        [[share for _, share in taps] for taps in padded], np.float32
    )


def linear(image: Array, height: int, width: int) -> Array:
    """INTER_LINEAR in OpenCV's fixed point: 11 bits a weight."""
    left, right, columns = linear_table(image.shape[1], width, is_held=True)
    top, bottom, rows = linear_table(image.shape[0], height, is_held=False)
    values = image.astype(np.int32)
    across = values[:, left] * columns[0][:, None] + values[:, right] * columns[1][:, None]
    first = (rows[0][:, None, None] * (across[top] >> 4)) >> 16
    second = (rows[1][:, None, None] * (across[bottom] >> 4)) >> 16
    return ((first + second + 2) >> 2).astype(np.uint8)


@lru_cache(maxsize=256)
def linear_table(own: int, size: int, is_held: bool) -> tuple[Array, Array, tuple[Array, Array]]:
    """(size,) first pixels, their next, and the weights of both, of 2048. is_held: beyond the edge the first
    pixel has all of the weight, as OpenCV does for columns; for rows it splits it between two equal ones."""
    scale = 1.0 / (size / own)
    places = ((np.arange(size) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.int64)
    share = places - first.astype(np.float32)
    if is_held:
        share[(first < 0) | (first >= own - 1)] = 0
    weights = tuple(np.rint(part * 2048).astype(np.int32) for part in (np.float32(1) - share, share))
    return np.clip(first, 0, own - 1), np.clip(first + 1, 0, own - 1), (weights[0], weights[1])


def views_of(batch: Array, tta: str) -> Iterator[Array]:
    """(B, 3, H, W) float32 each."""
    for view in five_crops(batch) if tta.startswith("five_crop") else (batch,):
        yield view
        if tta.endswith("flip"):
            yield view[..., ::-1]


def five_crops(batch: Array) -> Iterator[Array]:
    height, width = batch.shape[2:]
    rows, columns = max(1, round(height * CROP)), max(1, round(width * CROP))
    bottom, right = height - rows, width - columns
    for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)):
        part = batch[:, :, top : top + rows, left : left + columns]
        yield stretched(stretched(part, height, 2), width, 3)


def stretched(values: Array, size: int, axis: int) -> Array:
    """Bilinear along one axis, corners not aligned."""
    own = values.shape[axis]
    places = np.maximum((np.arange(size) + 0.5) * (own / size) - 0.5, 0).astype(np.float32)
    first = places.astype(np.int64)
    share = (places - first).reshape([-1 if at == axis else 1 for at in range(values.ndim)])
    after = np.minimum(first + 1, own - 1)
    blended = values.take(first, axis) * (1 - share) + values.take(after, axis) * share
    return blended.astype(np.float32)


# ---- from members to an answer ----------------------------------------------------------------------


def voted(term: Mapping[str, Any], members: Sequence[Array]) -> Array:
    """(n, C) of members (n, C), as `vote` says."""
    kind, weights = term["vote"]["kind"], np.array(term["vote"]["weights"], np.float64)
    weights = weights / weights.sum()
    if kind == "soft":
        return mean(members, weights)
    if kind == "hard":
        return (hard_labels if term["multi_label"] else hard)(members, weights)
    if kind == "geometric":
        return (geometric_labels if term["multi_label"] else geometric)(members, weights)
    return ranked(members, weights, np.array(term["vote"]["quantiles"]), term["multi_label"])


def mean(members: Sequence[Array], weights: Sequence[float] | Array) -> Array:
    return np.einsum("m,mnc->nc", np.asarray(weights), np.stack(members).astype(np.float64)).astype(
        np.float32
    )


def hard(members: Sequence[Array], weights: Array) -> Array:
    stacked = np.stack(members).astype(np.float64)
    chosen = stacked.argmax(axis=2)[..., None] == np.arange(stacked.shape[2])
    votes = np.einsum("m,mnc->nc", weights, chosen)
    leading = np.isclose(votes, votes.max(axis=1, keepdims=True), rtol=0, atol=1e-9)
    winner = np.where(leading, np.einsum("m,mnc->nc", weights, stacked), -1.0).argmax(axis=1)
    shares = votes.astype(np.float32)
    shares[np.arange(len(shares)), winner] += np.float32(1e-6)
    return shares


def hard_labels(members: Sequence[Array], weights: Array) -> Array:
    stacked = np.stack(members).astype(np.float64)
    votes = np.einsum("m,mnl->nl", weights, stacked >= 0.5)
    nudge = np.float32(1e-6)
    leaning = np.where(np.einsum("m,mnl->nl", weights, stacked) >= 0.5, nudge, -nudge)
    tied = np.isclose(votes, 0.5, rtol=0, atol=1e-9)
    return np.where(tied, np.float32(0.5) + leaning, votes.astype(np.float32))


def geometric(members: Sequence[Array], weights: Array) -> Array:
    logs = np.log(np.clip(np.stack(members).astype(np.float64), LEAST, 1 - LEAST))
    return softmax(np.einsum("m,mnc->nc", weights, logs))


def geometric_labels(members: Sequence[Array], weights: Array) -> Array:
    clipped = np.clip(np.stack(members).astype(np.float64), LEAST, 1 - LEAST)
    odds = np.einsum("m,mnl->nl", weights, np.log(clipped) - np.log1p(-clipped))
    return (1 / (1 + np.exp(-odds))).astype(np.float32)


def ranked(members: Sequence[Array], weights: Array, quantiles: Array, multi_label: bool) -> Array:
    """Mean rank among the rows that `quantiles` (m, C, Q) were made of, on the scale of their mean."""
    scale = np.einsum("m,mcq->cq", weights, quantiles)
    levels = np.linspace(0, 1, quantiles.shape[2])
    columns = []
    for at, back in enumerate(scale):
        ranks = [rank(member[:, at], quantiles[m, at], levels) for m, member in enumerate(members)]
        columns.append(np.interp(weights @ np.array(ranks), levels, back))
    found = np.column_stack(columns)
    if not multi_label:
        total = found.sum(axis=1, keepdims=True)
        found = np.divide(found, total, out=np.full_like(found, 1 / found.shape[1]), where=total > 0)
    return found.astype(np.float32)


def rank(values: Array, quantiles: Array, levels: Array) -> Array:
    below = np.searchsorted(quantiles, values, "left")
    upto = np.searchsorted(quantiles, values, "right")
    inside = np.interp(values, quantiles, levels)
    return np.where(upto - below > 1, (levels[below % len(levels)] + levels[upto - 1]) / 2, inside)


def calibrated(probabilities: Array, temperature: Mapping[str, Any] | None, multi_label: bool) -> Array:
    if temperature is None or temperature["value"] == 1:
        return probabilities
    clipped = np.clip(probabilities.astype(np.float64), LEAST, 1 - LEAST)
    if multi_label:
        odds = (np.log(clipped) - np.log1p(-clipped)) / temperature["value"]
        return (1 / (1 + np.exp(-odds))).astype(np.float32)
    return softmax(np.log(clipped) / temperature["value"])


def decided(probabilities: Array, decisions: Mapping[str, Any] | None) -> Array:
    """(n, C) whose largest column is what is decided."""
    if decisions is None:
        return probabilities
    values = np.array(decisions["values"])
    if decisions["kind"] == "offsets":
        return softmax(np.log(np.clip(probabilities.astype(np.float64), LEAST, 1.0)) + values)
    numbers = probabilities.astype(np.float64) @ np.arange(probabilities.shape[1])
    one = np.eye(probabilities.shape[1])[np.searchsorted(values, numbers, "right")]
    return ((1 - SURE) * probabilities + SURE * one).astype(np.float32)


def cut(probabilities: Array, thresholds: Array, at_least_one: bool) -> Array:
    found = (probabilities >= thresholds).astype(np.int64)
    if at_least_one:
        none = np.flatnonzero(~found.any(axis=1))
        found[none, (probabilities[none] - thresholds).argmax(axis=1)] = 1
    return found


def softmax(logits: Array) -> Array:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


# ---- the command ------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("images", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--csv", type=Path, help="table to write: path, predicted, p_<class> of each class")
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime (default: as it chooses)")
    arguments = parser.parse_args(argv)
    paths = [path for given in arguments.images for path in files_of(given)]
    try:
        ensemble = Ensemble(threads=arguments.threads)
        probabilities = ensemble.predict(paths)
    except (OSError, ValueError) as error:
        print(f"error: {shown(str(error))}", file=sys.stderr)
        return 2
    names = ensemble.names(ensemble.decide(probabilities))
    if arguments.csv is None:
        for path, name, row in zip(paths, names, probabilities, strict=True):
            chance = row[ensemble.classes.index(name)] if name in ensemble.classes else row.max()
            print(f"{shown(str(path))}\t{shown(name)}\t{chance:.4f}")
        return 0
    with arguments.csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "predicted", *(f"p_{name}" for name in ensemble.classes)])
        for path, name, row in zip(paths, names, probabilities, strict=True):
            writer.writerow([path, name, *(f"{value:.6f}" for value in row)])
    return 0


def shown(text: str) -> str:
    """Without what a terminal would obey, such as an escape sequence in a file's name."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def files_of(given: Path) -> list[Path]:
    """The file itself, or the images of a folder, sorted."""
    if not given.is_dir():
        return [given]
    return sorted(path for path in given.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


if __name__ == "__main__":
    sys.exit(main())
