"""What a frozen backbone says of images. The backbones here have random weights, stored as a file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import StorageError, TrainableError, WeightsError
from orchestrator.core.image_measures import ImageList
from trainables import embedding
from trainables.image_classifier import ImageClassifier
from trainables.images.reading import read_image
from trainables.network.frozen import FrozenBackbone

NAME, SIZE = "test_resnet", 160


def write_weights(path: Path, seed: int) -> str:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_file(timm.create_model(NAME, pretrained=False).state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_weights(tmp_path_factory.mktemp("weights") / "a.safetensors", 0)


@pytest.fixture
def images(dataset: Dataset, tmp_path: Path) -> ImageList:
    """Ten images, of which no cache knows anything."""
    for path in dataset.paths[:10]:
        shutil.copy(Path(dataset.root) / path, tmp_path)
    return ImageList(str(tmp_path), dataset.paths[:10], str(tmp_path / "cache"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The paths of every call that computes."""
    calls: list[list[str]] = []
    before = embedding._compute

    def compute(frozen: FrozenBackbone, root: Path, paths: Sequence[str], *rest: object) -> object:
        calls.append(list(paths))
        return before(frozen, root, paths, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(embedding, "_compute", compute)
    return calls


def embed(images: ImageList, weights: bool | str) -> np.ndarray:
    return embedding.embed_images(images, NAME, weights)


def test_embeddings_are_timms_own_pooled_features(images: ImageList, weights: str) -> None:
    found = embed(images, weights)
    model = timm.create_model(NAME, pretrained=False, checkpoint_path=weights).eval()
    model.reset_classifier(0)
    card = timm.get_pretrained_cfg(NAME)
    pixels = np.stack([read_image(Path(images.root) / path, SIZE) for path in images.paths])
    scaled = (pixels / 255 - np.array(card.mean)) / np.array(card.std)
    with torch.no_grad():
        own = model(torch.from_numpy(scaled.transpose(0, 3, 1, 2)).float()).numpy()
    assert found.dtype == np.float32 and found.shape == own.shape
    assert np.allclose(found, own, atol=1e-4)


def test_they_are_computed_once_and_then_read(
    images: ImageList, weights: str, computed: list[list[str]]
) -> None:
    done: list[tuple[int, int]] = []
    first = embed(images, weights)
    again = embedding.embed_images(images, NAME, weights, lambda *at: done.append(at))
    assert (first == again).all() and computed == [list(images.paths)]
    assert done[-1] == (100, 100) and done == sorted(done)


def test_a_row_that_comes_later_costs_what_it_costs_alone(
    images: ImageList, weights: str, computed: list[list[str]]
) -> None:
    few = replace(images, paths=images.paths[:7])
    first = embed(few, weights)
    every = embed(images, weights)
    assert (every[:7] == first).all() and computed == [list(images.paths[:7]), list(images.paths[7:])]
    # In another order, under other names: known by what they hold.
    (Path(images.root) / "other name.png").write_bytes((Path(images.root) / images.paths[4]).read_bytes())
    other = embed(replace(images, paths=(images.paths[9], "other name.png")), weights)
    assert (other == every[[9, 4]]).all() and len(computed) == 2


def test_an_image_that_was_replaced_is_computed_again(
    images: ImageList, weights: str, computed: list[list[str]]
) -> None:
    before = embed(images, weights)
    path = Path(images.root) / images.paths[3]
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    after = embed(images, weights)
    assert computed[1] == [images.paths[3]]
    assert (after[3] != before[3]).any() and (np.delete(after, 3, 0) == np.delete(before, 3, 0)).all()


def test_other_weights_have_a_cache_of_their_own(images: ImageList, weights: str, tmp_path: Path) -> None:
    other = write_weights(tmp_path / "b.safetensors", 1)
    assert not np.allclose(embed(images, weights), embed(images, other))
    same = shutil.copy(weights, tmp_path / "c.safetensors")
    before = sorted((tmp_path / "cache").rglob("*.safetensors"))
    embed(images, same)
    assert sorted((tmp_path / "cache").rglob("*.safetensors")) == before, "weights count, not their name"


def test_what_was_computed_before_an_interruption_is_kept(
    images: ImageList, weights: str, computed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "PART", 4)

    def interrupt(done: int, total: int) -> None:
        if done >= 10 + 9 * 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedding.embed_images(images, NAME, weights, interrupt)
    computed.clear()
    embed(images, weights)
    assert computed[0][0] == images.paths[4] and sum(map(len, computed)) == 6


def test_an_image_that_cannot_be_read_has_no_numbers(images: ImageList, weights: str) -> None:
    (Path(images.root) / images.paths[2]).write_bytes(b"no image")
    (Path(images.root) / images.paths[5]).unlink()
    for _ in range(2):
        found = embed(images, weights)
        assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [2, 5]


def test_a_damaged_cache_is_named(images: ImageList, weights: str, tmp_path: Path) -> None:
    embed(images, weights)
    part = next((tmp_path / "cache").rglob("*.safetensors"))
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(StorageError, match="cannot be read; delete the file"):
        embed(images, weights)


def test_no_image_is_described_by_random_weights(images: ImageList) -> None:
    with pytest.raises(WeightsError, match="only with weights that were trained"):
        embed(images, False)


def test_what_cannot_be_used_is_named(images: ImageList, weights: str, tmp_path: Path) -> None:
    with pytest.raises(TrainableError, match="test_resne' is not a model of timm"):
        embedding.embed_images(images, "test_resne", weights)
    with pytest.raises(WeightsError, match="does not fit backbone 'test_vit'"):
        embedding.embed_images(images, "test_vit", weights)
    with pytest.raises(WeightsError, match="no such file"):
        embed(images, str(tmp_path / "none.safetensors"))


def test_describing_draws_nothing_from_torch(images: ImageList, weights: str) -> None:
    state = torch.get_rng_state()
    ImageClassifier.embed_images(images, NAME, weights)
    assert torch.equal(torch.get_rng_state(), state)
