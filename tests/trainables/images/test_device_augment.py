"""A pipeline over tensors of a batch: reproducible, image by image, and without a wait for the device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from orchestrator.core.errors import TrainableError
from tests.support.no_sync import host_waits
from trainables.images.augment import STRENGTHS
from trainables.images.augment_steps import FILL, KINDS
from trainables.images.device_augment import DeviceAugmenter

NOISE = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (12, 3, 24, 40), dtype=np.uint8))
NEEDED = {"rotate": "20", "shift": "0.2", "zoom": "0.3"}
IN_USE = [f"{name}({NEEDED[name] + ', ' if name in NEEDED else ''}p=1)" for name in KINDS]
DRAWN = ("affine", "perspective", "random_resized_crop", "color", "gamma", "noise", "blur", "sharpen")
MIXED = "flip(0.5) + rotate(15) + one_of(noise(0.1), clahe(), p=0.7) + color() + coarse_dropout(0.4)"
WHOLE = " + ".join([*IN_USE, "some_of(2, flip, rotate(9), gamma)", "one_of(rand_augment(9, 9), blur(3))"])


def augmented(spec: str, images: Tensor = NOISE, seed: int = 1, rare: str = "") -> Tensor:
    return DeviceAugmenter(spec, rare)(images, np.random.default_rng(seed))


def repeated(count: int) -> Tensor:
    return NOISE[:1].expand(count, -1, -1, -1)


# ---- the batch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [*IN_USE, MIXED, *STRENGTHS])
def test_a_batch_keeps_its_shape_and_follows_from_the_generator(spec: str) -> None:
    before = NOISE.clone()
    found, again = augmented(spec), augmented(spec)
    assert found.shape == NOISE.shape and found.dtype == torch.uint8 and torch.equal(found, again)
    assert torch.equal(NOISE, before) and found.data_ptr() != NOISE.data_ptr()


@pytest.mark.parametrize("spec", [MIXED, "light", "medium", "strong", *(f"{step}(p=1)" for step in DRAWN)])
def test_another_generator_gives_another_batch(spec: str) -> None:
    assert not torch.equal(augmented(spec), augmented(spec, seed=2))


@pytest.mark.parametrize("spec", IN_USE)
def test_every_step_changes_images_and_with_probability_0_none(spec: str) -> None:
    assert (augmented(spec) != NOISE).flatten(1).any(dim=1).sum() >= 9
    assert torch.equal(augmented(spec.replace("p=1", "p=0")), NOISE)


@pytest.mark.parametrize("spec", ["", "  ", "none"])
def test_no_steps_give_a_new_tensor_of_the_same_pixels(spec: str) -> None:
    found = augmented(spec)
    assert torch.equal(found, NOISE) and found.data_ptr() != NOISE.data_ptr()


@pytest.mark.parametrize("spec", [MIXED, WHOLE])
def test_an_image_does_not_depend_on_the_pixels_of_the_others(spec: str) -> None:
    others = NOISE.clone()
    others[:5], others[6:] = 255 - NOISE[:5], 0
    assert torch.equal(augmented(spec, others)[5], augmented(spec)[5])


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 3, 33, 17), (3, 3, 16, 64)])
def test_a_batch_of_any_shape_goes_through_every_step(shape: tuple[int, ...]) -> None:
    images = NOISE.flatten()[: int(np.prod(shape))].reshape(shape)
    assert augmented(WHOLE, images).shape == shape


def test_the_layout_in_memory_changes_nothing() -> None:
    spec = WHOLE
    for images in (NOISE.contiguous(memory_format=torch.channels_last), NOISE.flip(0).flip(0)):
        assert torch.equal(augmented(spec, images), augmented(spec))


def test_threads_do_not_disturb_each_other() -> None:
    expected = [augmented(WHOLE, seed=seed) for seed in range(4)]
    augment = DeviceAugmenter(WHOLE)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: augment(NOISE, np.random.default_rng(seed)), range(4)))
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


# ---- rare rows --------------------------------------------------------------------------------------


def test_rare_rows_go_through_a_pipeline_of_their_own() -> None:
    is_rare = np.arange(12) % 3 == 1
    augment = DeviceAugmenter("none", rare="flip(1)")
    found = augment(NOISE, np.random.default_rng(0), is_rare)
    assert torch.equal(found[~is_rare], NOISE[~is_rare])
    assert torch.equal(found[is_rare], NOISE[is_rare].flip(3))


@pytest.mark.parametrize("is_rare", [None, np.zeros(12, np.bool_)])
def test_without_rare_rows_a_rare_pipeline_changes_nothing(is_rare: np.ndarray | None) -> None:
    found = DeviceAugmenter("medium", "flip(1)")(NOISE, np.random.default_rng(1), is_rare)
    assert torch.equal(found, augmented("medium"))


def test_without_a_rare_pipeline_rare_rows_are_as_the_others() -> None:
    found = DeviceAugmenter("light")(NOISE, np.random.default_rng(1), np.ones(12, np.bool_))
    assert torch.equal(found, augmented("light"))


def test_all_rows_may_be_rare() -> None:
    found = DeviceAugmenter("vflip(1)", "flip(1)")(NOISE, np.random.default_rng(1), np.ones(12, np.bool_))
    assert torch.equal(found, NOISE.flip(3))


# ---- nothing waits for the device -------------------------------------------------------------------


@pytest.mark.parametrize("spec", [*IN_USE, MIXED, WHOLE, "strong", "rand_augment(14, 10)"])
def test_no_step_asks_the_device_for_a_value(spec: str) -> None:
    augment, is_rare = DeviceAugmenter(spec, rare="strong"), np.arange(12) < 3
    assert not host_waits(lambda: augment(NOISE, np.random.default_rng(1), is_rare))


@pytest.mark.parametrize("spec", [*IN_USE, MIXED, WHOLE, "strong", "rand_augment(14, 10)"])
def test_tensors_without_values_go_through_every_step(spec: str) -> None:
    """On `meta` tensors a look at a value raises."""
    found = augmented(spec, NOISE.to("meta"))
    assert found.is_meta and found.shape == NOISE.shape and found.dtype == torch.uint8


def test_what_was_drawn_goes_over_in_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    plain = torch.Tensor.to

    def counted(self: Tensor, *args: object, **kwargs: object) -> Tensor:
        if kwargs.get("non_blocking"):
            sizes.append(self.nbytes)
        return plain(self, *args, **kwargs)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(torch.Tensor, "to", counted)
    augmented(WHOLE, NOISE.to("meta"))
    assert len(sizes) == 1


# ---- what steps do ----------------------------------------------------------------------------------


def test_mirrors_are_exact() -> None:
    assert torch.equal(augmented("flip(1)"), NOISE.flip(3))
    assert torch.equal(augmented("vflip(1)"), NOISE.flip(2))
    assert torch.equal(augmented("flip(1) + flip(1)"), NOISE)


def test_what_is_moved_in_is_mirrored_and_not_black() -> None:
    white = torch.full((8, 3, 24, 40), 255, dtype=torch.uint8)
    for spec in ("rotate(90)", "shift(0.5)", "zoom(0.5)", "affine(45, 0.3, 0.3, 20)", "perspective(0.3)"):
        assert (augmented(spec, white) == 255).all(), spec


def test_a_hole_has_sides_from_half_to_all_of_what_is_given() -> None:
    for image in augmented(
        "coarse_dropout(0.5, p=1)", torch.zeros(100, 3, 40, 80, dtype=torch.uint8)
    ).numpy():
        rows, columns = np.flatnonzero(image[0].any(axis=1)), np.flatnonzero(image[0].any(axis=0))
        assert 10 <= len(rows) <= 20 and 20 <= len(columns) <= 40
        hole = image[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert (hole == np.array(FILL)[:, None, None]).all()


# ---- groups -----------------------------------------------------------------------------------------


def kinds_of(images: Tensor) -> list[str]:
    """Which mirror image of the first image of NOISE each is."""
    first = NOISE[0]
    views = {"as it was": first, "flip": first.flip(2), "vflip": first.flip(1), "both": first.flip(1, 2)}
    return [next(name for name, view in views.items() if torch.equal(image, view)) for image in images]


def test_one_of_does_exactly_one_in_proportion_to_their_p() -> None:
    found = kinds_of(augmented("one_of(flip(0.75), vflip(0.25), p=0.8)", repeated(400)))
    assert 50 < found.count("as it was") < 110 and found.count("both") == 0
    assert 200 < found.count("flip") < 280 and 50 < found.count("vflip") < 110


def test_some_of_does_as_many_as_it_says_each_at_most_once() -> None:
    assert set(kinds_of(augmented("some_of(2, flip(1), vflip(1))", repeated(60)))) == {"both"}
    three = kinds_of(augmented("some_of(2, flip(1), vflip(1), rotate(0))", repeated(60)))
    assert set(three) == {"flip", "vflip", "both"}


def test_groups_may_hold_groups() -> None:
    found = kinds_of(augmented("one_of(some_of(2, flip(1), vflip(1)), flip)", repeated(60)))
    assert set(found) == {"both", "flip"}


# ---- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, rare, says",
    [
        ("wild", "", "augment='wild'"),
        ("mediun", "", "did you mean medium"),
        ("flip(2)", "", "p=2 must be"),
        ("light", "wild", "augment_rare='wild'"),
    ],
)
def test_a_wrong_specification_is_refused_as_on_the_cpu(spec: str, rare: str, says: str) -> None:
    with pytest.raises(TrainableError) as caught:
        DeviceAugmenter(spec, rare)
    assert says in str(caught.value)
