"""Who is drawn: what a person looks like, and what changes from photo to photo.

Age shows only in `Ageing`. Hair, skin, background, glasses and clothes are drawn without looking at the age,
so that they tell people apart and say nothing about how old they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # people are thought up without a canvas, and without its cv2
    from orchestrator.demo.drawing.canvas import Colour

RACES = ("White", "Black", "Asian", "Indian", "Others")
HAIR_STYLES = ("crop", "parted", "fringe", "curly", "bob", "long", "bald")
BACKGROUNDS = ("plain", "stripes", "blobs", "halves")
# Blue, green, red; photos of one tone still differ by light.
_SKIN: dict[str, Colour] = {
    "White": (178, 200, 232),
    "Black": (58, 82, 122),
    "Asian": (152, 194, 226),
    "Indian": (96, 134, 176),
    "Others": (124, 160, 202),
}
_HAIR: tuple[Colour, ...] = (
    (26, 24, 28), (38, 52, 78), (62, 98, 146), (98, 160, 206), (44, 62, 128), (168, 168, 172), (150, 96, 70),
)  # fmt: skip
_IRIS: tuple[Colour, ...] = ((38, 58, 88), (56, 88, 74), (150, 112, 70), (30, 36, 46))
_APPEARANCE_SD = 3.0  # years by which a whole face looks older or younger than it is
_CUE_SD = 4.0  # and each cue on top of that


@dataclass(frozen=True)
class Ageing:
    """Apparent age in years, cue by cue: the honest signs of age, all but the last two above a mask."""

    forehead: float
    crows_feet: float
    eye_bags: float
    frown: float
    eye_size: float
    lids: float
    folds: float
    spots: float


@dataclass(frozen=True)
class Person:
    number: int
    gender: str
    race: str
    age: int
    ageing: Ageing
    skin: Colour
    hair: Colour
    hair_style: str
    iris: Colour
    background: tuple[Colour, Colour]
    background_kind: str
    background_angle: float
    clothes: Colour
    collar: float
    glasses: tuple[Colour, float] | None  # colour, roundness
    face_width: float
    eye_distance: float
    nose: float
    jaw: float  # wide is male
    brows: float  # thick is male
    lashes: float
    lips: float
    stubble: float
    marks: int  # seed of freckles, spots and the waviness of wrinkles


@dataclass(frozen=True)
class Photo:
    """What one photo adds: pose, light, expression and the mask."""

    wearing: str  # worn, wrong, none
    turn: float
    zoom: float
    shift: tuple[float, float]
    light: tuple[float, float, float]  # gain, slope to the right, slope downwards
    tint: Colour
    contrast: float  # of wrinkles in this light
    smile: float
    brow_raise: float
    eyes_open: float
    gaze: float
    mask_kind: str
    mask_colour: Colour
    mask_shift: float
    noise_seed: int


def draw_people(count: int, least_old: int, rng: np.random.Generator, first: int = 0) -> list[Person]:
    """`count` people, half of each gender, 47% under 30 and about 7% of 60 and over.

    least_old: at least so many of 60 and over in each gender, as far as a third of them suffices.
    """
    people: list[tuple[str, int]] = []
    for gender, amount in (("male", count // 2), ("female", count - count // 2)):
        old = min(max(round(0.07 * amount), least_old), max(amount // 3, 1))
        young = min(round(0.47 * amount), amount - old)
        ages = np.concatenate(
            [
                rng.integers(18, 30, young),
                rng.integers(30, 60, amount - old - young),
                rng.integers(60, 79, old),
            ]
        )
        people += [(gender, int(age)) for age in ages]
    order = rng.permutation(len(people))
    return [
        draw_person(first + place, people[who][0], people[who][1], rng) for place, who in enumerate(order)
    ]


def draw_person(number: int, gender: str, age: int, rng: np.random.Generator) -> Person:
    race = str(rng.choice(RACES, p=[0.3, 0.15, 0.3, 0.15, 0.1]))
    male = gender == "male"
    return Person(
        number=number,
        gender=gender,
        race=race,
        age=age,
        ageing=_ageing(age, rng),
        skin=_near(_SKIN[race], 0.10, rng),
        hair=_near(_HAIR[rng.integers(len(_HAIR))], 0.15, rng),
        hair_style=_hair_style(male, rng),
        iris=_IRIS[rng.integers(len(_IRIS))],
        background=(_any_colour(rng, 60, 235), _any_colour(rng, 60, 235)),
        background_kind=str(rng.choice(BACKGROUNDS)),
        background_angle=float(rng.uniform(0, np.pi)),
        clothes=_any_colour(rng, 20, 240),
        collar=float(rng.uniform(0, 1)),
        glasses=(_any_colour(rng, 10, 120), float(rng.uniform(2, 4))) if rng.random() < 0.25 else None,
        face_width=float(rng.normal(0.74, 0.025)),
        eye_distance=float(rng.normal(0.31, 0.012)),
        nose=float(rng.normal(1.0, 0.12)),
        jaw=float(rng.normal(0.80 if male else 0.66, 0.05)),
        brows=float(np.clip(rng.normal(0.075 if male else 0.040, 0.012), 0.02, 0.12)),
        lashes=float(np.clip(rng.normal(0.15 if male else 0.8, 0.2), 0, 1)),
        lips=float(np.clip(rng.normal(0.25 if male else 0.75, 0.18), 0, 1)),
        stubble=float(rng.uniform(0.3, 1)) if male and rng.random() < 0.35 else 0.0,
        marks=int(rng.integers(2**31)),
    )


def draw_photo(wearing: str, rng: np.random.Generator) -> Photo:
    kind = str(rng.choice(["surgical", "surgical", "respirator", "cloth"]))
    return Photo(
        wearing=wearing,
        turn=float(rng.normal(0, 0.06)),
        zoom=float(rng.uniform(0.94, 1.06)),
        shift=(float(rng.normal(0, 0.018)), float(rng.normal(0, 0.018))),
        light=(float(rng.uniform(0.82, 1.14)), float(rng.normal(0, 0.12)), float(rng.normal(0, 0.08))),
        tint=_near((1.0, 1.0, 1.0), 0.04, rng),
        contrast=float(rng.uniform(0.85, 1.15)),
        smile=float(rng.uniform(-0.4, 1)),
        brow_raise=float(rng.normal(0, 0.018)),
        eyes_open=float(rng.uniform(0.85, 1.08)),
        gaze=float(rng.normal(0, 0.025)),
        mask_kind=kind,
        mask_colour=_mask_colour(kind, rng),
        mask_shift=float(rng.normal(0, 0.03)),
        noise_seed=int(rng.integers(2**31)),
    )


def _ageing(age: int, rng: np.random.Generator) -> Ageing:
    looks = age + rng.normal(0, _APPEARANCE_SD)
    return Ageing(*(float(looks + rng.normal(0, _CUE_SD)) for _ in range(8)))


def _hair_style(male: bool, rng: np.random.Generator) -> str:
    """Length goes with gender, loosely."""
    short = [0.26, 0.26, 0.14, 0.14, 0.06, 0.04, 0.10]
    long = [0.10, 0.14, 0.18, 0.14, 0.20, 0.20, 0.04]
    return str(rng.choice(HAIR_STYLES, p=short if male else long))


def _mask_colour(kind: str, rng: np.random.Generator) -> Colour:
    surgical: tuple[Colour, ...] = ((222, 190, 140), (240, 240, 238), (196, 214, 160), (48, 46, 46))
    if kind == "surgical":
        return _near(surgical[rng.integers(len(surgical))], 0.05, rng)
    return _near((236, 238, 238), 0.04, rng) if kind == "respirator" else _any_colour(rng, 30, 230)


def _near(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    common = rng.normal(0, spread)
    blue, green, red = (part * (1 + common + rng.normal(0, spread / 3)) for part in colour)
    return (float(blue), float(green), float(red))


def _any_colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    blue, green, red = rng.integers(low, high, 3)
    return (float(blue), float(green), float(red))
