"""Where images lie on machines other than the driver's, and whether they are the right ones.

A machine is a process with an environment of its own and, where the system allows, its own mount namespace.
"""

from __future__ import annotations

import os
import pickle
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from orchestrator.check.__main__ import main as check
from orchestrator.core.dataset import Dataset, ImageFiles
from orchestrator.core.errors import ManifestError, StorageError
from orchestrator.core.events import Proposed
from orchestrator.data import image_record as image_files
from orchestrator.data import image_roots
from orchestrator.data.extra_rows import add_extra, load_extra
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.image_record import compare, read_files, record_images, sample, write_files
from orchestrator.data.image_roots import DATA_ROOT, folder_identity
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.demo.faces import demo_folder
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.inputs import image_origin as origin
from orchestrator.inputs.dataset import make_dataset
from orchestrator.inputs.node_images import CACHE, check_images, resolve_on_node
from orchestrator.inputs.rows import draw_demo
from orchestrator.pseudo_labels.__main__ import main as label
from orchestrator.space import SearchSpace, age_bins, categorical
from orchestrator.study import study as study_module
from orchestrator.study.journal import has_journal
from orchestrator.study.study import Study
from orchestrator.tune import Interrupted
from orchestrator.tune.__main__ import main, parser
from orchestrator.tune.command import _resume
from orchestrator.tune.request import Request

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SPACE = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable",
    target=categorical("tint", ["red", "blue"]),
    params={"lr": 0.5},
    folds=3,
)
MACHINE = """
import os, pickle, sys
from orchestrator.core.errors import InputError
from orchestrator.inputs.node_images import check_images, resolve_on_node

dataset = resolve_on_node(pickle.load(sys.stdin.buffer))
try:
    check_images(dataset)
    print("well", dataset.root, dataset.cache_dir, oct(os.umask(0)), sep="|")
except InputError as error:
    print("error", error, sep="|")
"""


def has_namespaces() -> bool:
    tool = shutil.which("unshare")
    return tool is not None and subprocess.run([tool, "--mount", "true"], capture_output=True).returncode == 0


needs_namespaces = pytest.mark.skipif(not has_namespaces(), reason="mount namespaces need root and unshare")


@dataclass(frozen=True)
class Answer:
    """What a machine found. text: the error, or empty."""

    root: str = ""
    cache: str = ""
    umask: str = ""
    text: str = ""


def ask(dataset: Dataset, home: Path, environ: Mapping[str, str] | None = None, first: str = "") -> Answer:
    """A machine's answer. first: shell commands in a mount namespace of its own."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-c", MACHINE]
    if first:
        command = ["unshare", "--mount", "sh", "-ec", f'{first}; exec "$@"', "sh", *command]
    env = {name: value for name, value in os.environ.items() if name not in (DATA_ROOT, CACHE)}
    env |= {"HOME": str(home), "PYTHONPATH": str(ROOT), **(environ or {})}
    done = subprocess.run(command, input=pickle.dumps(dataset), capture_output=True, env=env, timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    word, _, rest = done.stdout.decode().strip().partition("|")
    return Answer(text=rest) if word == "error" else Answer(*rest.split("|"))


def dataset_of(manifest: Manifest, request: Request) -> Dataset:
    """As a new study's driver makes it."""
    plan = build_fold_plan(manifest, SPACE.folds, 0, (SPACE.target,))
    return origin.of_new_study(make_dataset(SPACE, manifest, plan, request.runs), request)


@pytest.fixture
def table(faces: Path, tmp_path: Path) -> Path:
    """A copy of the faces that a test may change."""
    shutil.copytree(faces.parent, tmp_path / "faces")
    return tmp_path / "faces" / "faces.csv"


@pytest.fixture
def request_(table: Path, tmp_path: Path) -> Request:
    return Request(data=str(table), runs=tmp_path / "runs")


@pytest.fixture
def dataset(table: Path, request_: Request) -> Dataset:
    return dataset_of(load_manifest(table), request_)


def copy_of(dataset: Dataset, to: Path) -> Path:
    return Path(shutil.copytree(dataset.root, to))


# ---- where the images lie -------------------------------------------------------------------------


def test_a_process_on_the_drivers_machine_uses_the_drivers_own_folders(
    dataset: Dataset, tmp_path: Path
) -> None:
    found = ask(dataset, tmp_path / "home")
    assert (found.root, found.cache) == (dataset.root, dataset.cache_dir)
    assert resolve_on_node(resolve_on_node(dataset)) == resolve_on_node(dataset)


def test_the_variable_comes_before_data_root_and_that_before_the_manifests_own(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    made = dataset_of(load_manifest(table), replace(request_, data_root=tmp_path / "everywhere"))
    assert ask(made, tmp_path / "home").root == made.root  # a folder that isn't there says nothing
    named, everywhere = copy_of(made, tmp_path / "named"), copy_of(made, tmp_path / "everywhere")
    assert ask(made, tmp_path / "home").root == str(everywhere)
    assert ask(made, tmp_path / "home", {DATA_ROOT: str(named)}).root == str(named)


def test_a_variable_that_is_meant_for_another_data_set_is_passed_over(
    dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "others").mkdir()
    assert ask(dataset, tmp_path / "home", {DATA_ROOT: str(tmp_path / "others")}).root == dataset.root


@needs_namespaces
def test_a_machine_with_other_disks_keeps_its_own_cache_where_it_is_told_or_at_home(
    dataset: Dataset, tmp_path: Path
) -> None:
    """The same path is there, on another disk: what is in it is not the driver's."""
    other = f"mkdir -p {tmp_path}/disk; mount --bind {tmp_path}/disk {dataset.cache_dir}"
    home = tmp_path / "home"
    assert ask(dataset, home, first=other).cache == f"{home}/.cache/fold-orchestrator/images"
    told = ask(dataset, home, {CACHE: str(tmp_path / "fast" / "disk")}, other)
    assert told.cache == str(tmp_path / "fast" / "disk") and Path(told.cache).is_dir()


def test_the_same_folder_seen_from_another_kernel_is_not_the_drivers(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a folder that both mount over a network."""
    monkeypatch.delenv(CACHE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "boot_id").write_text("another machine's\n")
    monkeypatch.setattr(image_roots, "_BOOT_ID", tmp_path / "boot_id")
    assert resolve_on_node(dataset).cache_dir == str(tmp_path / ".cache/fold-orchestrator/images")


def test_a_variable_whose_folder_has_other_images_of_the_same_names_is_passed_over(
    dataset: Dataset, tmp_path: Path
) -> None:
    others = copy_of(dataset, tmp_path / "others")
    for path in others.glob("*.png"):
        path.write_bytes(path.read_bytes() + b"another face")
    assert ask(dataset, tmp_path / "home", {DATA_ROOT: str(others)}).root == dataset.root
    assert dataset.origin is not None  # a study of before there was a record has nothing to tell them by
    unknown = replace(dataset, origin=replace(dataset.origin, files=None))
    assert ask(unknown, tmp_path / "home", {DATA_ROOT: str(others)}).root == str(others)


def test_the_place_to_complain_of_is_one_that_has_some_of_the_images(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    made = dataset_of(load_manifest(table), replace(request_, data_root=tmp_path / "everywhere"))
    for path in copy_of(made, tmp_path / "everywhere").glob("*.png"):
        path.write_bytes(path.read_bytes() + b"?")
    Path(made.root).rename(tmp_path / "away")
    (tmp_path / "others").mkdir()
    text = ask(made, tmp_path / "home", {DATA_ROOT: str(tmp_path / "others")}).text
    assert f"under {tmp_path}/everywhere (--data-root) 60 of 60 images are not those" in text


def test_a_variable_that_leads_to_other_images_alone_is_to_be_unset_and_nothing_copied_over_them(
    dataset: Dataset, tmp_path: Path
) -> None:
    others = copy_of(dataset, tmp_path / "others")
    for path in others.glob("*.png"):
        path.write_bytes(path.read_bytes() + b"another face")
    Path(dataset.root).rename(tmp_path / "away")
    (tmp_path / "empty").mkdir()
    text = ask(dataset, tmp_path / "home", {DATA_ROOT: str(others)}).text
    assert f"under {others} ({DATA_ROOT}) 60 of 60 images are not those" in text
    assert f"unset {DATA_ROOT}" in text and f"a copy of {platform.node()}:{dataset.root}" in text
    assert "rsync" not in text
    assert "rsync" in ask(dataset, tmp_path / "home", {DATA_ROOT: str(tmp_path / "empty")}).text


def test_two_folders_never_share_an_identity(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert folder_identity(tmp_path / "a") == folder_identity(tmp_path / "b") != folder_identity(tmp_path)


def test_a_cache_that_cannot_be_made_is_an_error_that_names_the_variable(
    dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    found = ask(dataset, tmp_path / "home", {CACHE: str(tmp_path / "file" / "cache")})
    assert platform.node() in found.text and f"{tmp_path}/file/cache" in found.text and CACHE in found.text


def test_a_private_dataset_makes_every_process_write_for_its_owner_alone(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    made = dataset_of(load_manifest(table), replace(request_, private=True))
    assert ask(made, tmp_path / "home").umask == "0o77"
    assert ask(replace(made, origin=None), tmp_path / "home").umask != "0o77"


# ---- rows of other sources ------------------------------------------------------------------------


def with_extra(table: Path, request: Request) -> Dataset:
    """Ten rows of a table beside the data's folder, whose paths leave the root."""
    more = table.parents[1] / "more"
    more.mkdir()
    lines = table.read_text().splitlines()[1:11]
    for line in lines:
        name = line.split(",")[0]
        (more / name).write_bytes((table.parent / name).read_bytes() + b"other")
    rows = [line.replace(",p", ",x") for line in lines]
    (more / "more.csv").write_text("\n".join(["path,group,tint", *rows]) + "\n")
    manifest = load_manifest(table)
    return dataset_of(add_extra(manifest, load_extra(more / "more.csv", None, manifest)), request)


def test_images_beside_the_root_are_found_beside_it_on_every_machine(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    made = with_extra(table, request_)
    assert sum(path.startswith("../more/") for path in made.paths) == 10
    assert not ask(made, tmp_path / "home").text
    there = copy_of(made, tmp_path / "server" / "faces")
    shutil.copytree(tmp_path / "more", tmp_path / "server" / "more")
    assert ask(made, tmp_path / "home", {DATA_ROOT: str(there)}).root == str(there)


def test_images_beside_a_folder_do_not_make_it_the_root(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    made = with_extra(table, request_)
    shutil.copytree(tmp_path / "more", tmp_path / "server" / "more")
    (tmp_path / "server" / "others").mkdir()
    found = ask(made, tmp_path / "home", {DATA_ROOT: str(tmp_path / "server" / "others")})
    assert found.root == made.root


def test_where_an_image_beside_the_root_was_sought_is_said(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    made = with_extra(table, request_)
    there = copy_of(made, tmp_path / "server" / "faces")
    text = ask(made, tmp_path / "home", {DATA_ROOT: str(there)}).text
    assert "10 of 70 images are missing" in text
    assert f"10 of them beside it (sought at {tmp_path}/server/more/" in text
    source = f"{platform.node()}:{made.root}/../more/"
    assert f"copy them (rsync -a {source} {tmp_path}/server/more/), or" in text


def test_each_folder_that_lacks_images_has_a_command_of_its_own(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    made = with_extra(table, request_)
    far = tuple(f"../../far/{n % 2}/{n}.png" for n in range(4))
    assert made.origin is not None and made.origin.files is not None
    files = replace(made.origin.files, sizes=np.append(made.origin.files.sizes, [9] * 4))
    more = replace(made, paths=(*made.paths, *far), origin=replace(made.origin, files=files))
    there = copy_of(made, tmp_path / "server" / "here" / "faces")
    (there / "p03-1.png").unlink()
    text = ask(more, tmp_path / "home", {DATA_ROOT: str(there)}).text
    head = f"{platform.node()}:{made.root}"
    assert "15 of 74 images are missing" in text
    assert f"(rsync -a {head}/ {there}/, rsync -a {head}/../../far/ {tmp_path}/server/far/, " in text
    assert f", rsync -a {head}/../more/ {tmp_path}/server/here/more/), or" in text


def test_a_table_with_absolute_paths_of_several_folders_has_one_root_that_may_lie_elsewhere(
    table: Path, request_: Request, tmp_path: Path
) -> None:
    lines = table.read_text().splitlines()
    (tmp_path / "second").mkdir()
    for line in lines[31:]:
        (table.parent / line.split(",")[0]).rename(tmp_path / "second" / line.split(",")[0])
    places = [table.parent] * 30 + [tmp_path / "second"] * 30
    rows = [f"{place}/{line}" for place, line in zip(places, lines[1:], strict=True)]
    (tmp_path / "all.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    made = dataset_of(load_manifest(tmp_path / "all.csv"), request_)
    assert made.root == str(tmp_path)
    there = tmp_path / "server"
    for name in ("faces", "second"):
        shutil.copytree(tmp_path / name, there / name)
    assert ask(made, tmp_path / "home", {DATA_ROOT: str(there)}).root == str(there)


# ---- whether they are the right ones --------------------------------------------------------------


@needs_namespaces
def test_a_machine_without_the_images_says_how_many_where_and_what_to_do(
    dataset: Dataset, tmp_path: Path
) -> None:
    other = f"mount -t tmpfs none {dataset.root}; mount -t tmpfs none {tmp_path}/runs"
    text = ask(dataset, tmp_path / "home", first=other).text
    found = f"{platform.node()}: under {dataset.root} 60 of 60 images are missing (p00-0.png, "
    assert text.startswith(found) and "and 57 more" in text and "rsync -a" in text
    assert "--data-root" in text and DATA_ROOT in text
    assert len(text.splitlines()) == 1


def test_a_copy_that_lacks_images_or_has_other_ones_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    there = copy_of(dataset, tmp_path / "copy")
    (there / "p03-1.png").unlink()
    shorter = there / "p04-0.png"
    shorter.write_bytes(shorter.read_bytes()[:-1])
    same_size = there / "p05-2.png"
    same_size.write_bytes(same_size.read_bytes()[:-1] + b"?")
    text = ask(dataset, tmp_path / "home", {DATA_ROOT: str(there)}).text
    assert f"under {there} ({DATA_ROOT}) 1 of 60 images are missing (p03-1.png)" in text
    assert "2 of 60 images are not those the study was begun with (p04-0.png, p05-2.png)" in text
    assert f"unset {DATA_ROOT}" in text


def test_a_wrong_copy_in_the_studys_own_place_is_to_be_copied_anew(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another server, where the same path is another disk."""
    monkeypatch.delenv(DATA_ROOT, raising=False)
    changed = Path(dataset.root) / "p05-2.png"
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    assert dataset.origin is not None
    with pytest.raises(ManifestError, match=f"rsync -a {platform.node()}:{dataset.root}/ {dataset.root}/"):
        check_images(replace(dataset, origin=replace(dataset.origin, cache="another server's")))


def test_images_that_changed_under_the_study_are_told_apart_from_a_wrong_copy(
    dataset: Dataset, tmp_path: Path
) -> None:
    changed = Path(dataset.root) / "p05-2.png"
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    text = ask(dataset, tmp_path / "home").text
    assert "not those the study was begun with (p05-2.png)" in text
    assert text.endswith("restore them, or begin another study")


def test_times_of_a_copy_do_not_matter(dataset: Dataset, tmp_path: Path) -> None:
    there = copy_of(dataset, tmp_path / "copy")
    for path in there.iterdir():
        os.utime(path, (1e9, 1e9))
    assert not ask(dataset, tmp_path / "home", {DATA_ROOT: str(there)}).text


def test_a_data_set_of_before_there_was_a_record_is_still_checked_for_missing_images(
    dataset: Dataset,
) -> None:
    assert dataset.origin is not None
    old = replace(dataset, origin=replace(dataset.origin, files=None))
    check_images(old)
    (Path(old.root) / "p00-0.png").unlink()
    with pytest.raises(ManifestError, match="1 of 60 images are missing"):
        check_images(old)


def test_progress_counts_the_files(dataset: Dataset) -> None:
    told: list[tuple[int, int]] = []
    check_images(dataset, lambda done, total: told.append((done, total)))
    assert told[-1] == (60, 60) and told == [(60, 60)] * 2  # sizes, then contents


# ---- the record -----------------------------------------------------------------------------------


def test_all_contents_are_compared_where_they_are_few_and_else_a_sample_that_is_always_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = np.full(1000, 500, np.int64)
    assert sample(sizes, 3) == list(range(1000))
    monkeypatch.setattr(image_files, "CONTENTS", 50_000)
    few = sample(sizes, 3)
    assert len(few) == 100 and few == sample(sizes, 3) != sample(sizes, 4)
    assert max(few) > 900 and min(few) < 100  # from all over the table
    assert len(sample(np.array([10**9]), 0)) == 1


def test_the_record_comes_back_as_it_was_written(dataset: Dataset, tmp_path: Path) -> None:
    assert dataset.origin is not None and dataset.origin.files is not None
    files = dataset.origin.files
    part = replace(files, digests={row: files.digests[row] for row in (0, 7, 59)})
    write_files(tmp_path / "images.parquet", part)
    found = read_files(tmp_path / "images.parquet", 60)
    assert found is not None
    assert (found.host, found.root, dict(found.digests)) == (part.host, part.root, dict(part.digests))
    assert found.sizes.tolist() == part.sizes.tolist()
    assert read_files(tmp_path / "none.parquet", 60) is None
    with pytest.raises(ManifestError, match="59 images"):
        read_files(tmp_path / "images.parquet", 59)
    whole = (tmp_path / "images.parquet").read_bytes()
    (tmp_path / "images.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ManifestError, match=r"images\.parquet cannot .*; restore it from a copy; .*deleted"):
        read_files(tmp_path / "images.parquet", 60)


def test_a_size_that_differs_is_noticed_outside_the_sample_of_contents(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "CONTENTS", 1)
    root = Path(dataset.root)
    files = record_images(root, dataset.paths, 0)
    (kept,) = files.digests
    other = (kept + 1) % 60
    path = root / dataset.paths[other]
    path.write_bytes(path.read_bytes() + b"?")
    assert compare(root, dataset.paths, files).changed == (other,)


def test_surveying_a_folder_that_lacks_an_image_names_it(dataset: Dataset) -> None:
    (Path(dataset.root) / "p19-2.png").unlink()
    with pytest.raises(ManifestError, match=r"1 of 60 images are not under .*p19-2\.png"):
        record_images(Path(dataset.root), dataset.paths, 0)
    assert compare(Path(dataset.root), dataset.paths, None).missing == (59,)


# ---- demo faces -----------------------------------------------------------------------------------


@needs_namespaces
def test_demo_faces_are_drawn_by_a_machine_that_never_saw_them(tmp_path: Path) -> None:
    request = Request(runs=tmp_path / "runs")
    space = replace(SPACE, target=age_bins([30, 60]))
    manifest = load_manifest(draw_demo(request.runs))
    plan = build_fold_plan(manifest, 3, 0, (space.target,))
    made = origin.of_new_study(make_dataset(space, manifest, plan, request.runs), request)
    found = ask(made, tmp_path / "home", first=f"mount -t tmpfs none {tmp_path / 'runs'}")
    cache = tmp_path / "home" / ".cache" / "fold-orchestrator" / "images"
    assert (found.root, found.cache) == (str(demo_folder(cache) / "train"), str(cache))
    assert [(Path(found.root) / path).read_bytes() for path in made.paths] == [
        (Path(made.root) / path).read_bytes() for path in made.paths
    ]
    assert ask(made, tmp_path / "home").root == made.root  # the driver's machine has them


# ---- tables whose images lie elsewhere ------------------------------------------------------------


def test_a_tables_images_may_lie_below_a_folder_that_is_named(table: Path, tmp_path: Path) -> None:
    alone = tmp_path / "apart" / "alone.csv"
    alone.parent.mkdir()
    alone.write_text(table.read_text())
    with pytest.raises(ManifestError, match="images are not under"):
        load_manifest(alone)
    assert load_manifest(alone, data_root=table.parent).root == table.parent
    shutil.copytree(table.parent, tmp_path / "both")
    assert load_manifest(table, data_root=tmp_path / "both").root == tmp_path / "both"


def test_a_folder_that_is_named_and_does_not_hold_the_images_is_refused(table: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    listed = tmp_path / "listed"
    for name in ("red", "blue"):
        shutil.copytree(table.parent, listed / name, ignore=shutil.ignore_patterns("*.csv"))
    for source in (table, listed):
        with pytest.raises(ManifestError, match=r"--data-root .*/nowhere is no folder here .*correct it"):
            load_manifest(source, data_root=tmp_path / "nowhere")
        with pytest.raises(ManifestError, match=r"--data-root .*/empty does not hold these images"):
            load_manifest(source, data_root=tmp_path / "empty")
    shutil.copytree(listed, tmp_path / "copy")
    assert load_manifest(listed, data_root=tmp_path / "copy").root == listed  # for the servers


# ---- whole searches -------------------------------------------------------------------------------


def tune(runs: Path, *words: str | Path) -> int:
    return main([*map(str, words), "--runs", str(runs), "--inline"])


def test_a_search_notes_its_images_and_refuses_to_go_on_with_other_ones(
    space_file: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    asked = ("--space", space_file, "--data", table, "--study", "a", "--scale", "smoke")
    assert tune(runs, *asked) == 0
    study = Study(runs / "a")
    files = read_files(study.files.images, 60)
    assert files is not None and files.root == str(table.parent) and len(files.digests) == 60
    image = table.parent / "p07-0.png"
    before = image.read_bytes()
    image.write_bytes(before[:-1] + b"?")
    assert tune(runs, "--resume", "--study", "a", "--trials", "4") == 2
    told = capsys.readouterr().err
    assert "1 of 60 images are not those the study was begun with (p07-0.png)" in told
    assert len(told.splitlines()) == 1
    image.write_bytes(before)
    assert tune(runs, "--resume", "--study", "a", "--trials", "4") == 0


def test_a_study_goes_on_where_its_images_lie_elsewhere(
    space_file: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after the head was lost and another took over."""
    runs = tmp_path / "runs"
    assert tune(runs, "--space", space_file, "--data", table, "--study", "a", "--scale", "smoke") == 0
    table.parent.rename(tmp_path / "moved")
    assert tune(runs, "--resume", "--study", "a", "--trials", "4") == 2
    told = capsys.readouterr().err
    assert "60 of 60 images are missing" in told and "--resume --data-root DIR" in told
    there = tmp_path / "moved"
    assert tune(runs, "--resume", "--study", "a", "--trials", "4", "--data-root", there) == 0
    assert len({event.trial for event in Study(runs / "a").events if isinstance(event, Proposed)}) == 4


def test_a_mistyped_folder_is_refused_by_every_command_that_takes_one(
    space_file: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, wrong = tmp_path / "runs", ("--data-root", str(tmp_path / "mistyped"))
    asked = ("--space", space_file, "--data", table, "--study", "a", "--smoke")
    assert tune(runs, *asked, *wrong) == 2 and not (runs / "a").exists()
    assert tune(runs, *asked) == 0
    journal = Study(runs / "a").files.journal.read_bytes()
    assert ensemble(["--study", str(runs / "a")]) == 0
    capsys.readouterr()
    commands: list[Callable[[], int]] = [
        lambda: tune(runs, "--resume", "--study", "a", "--trials", "4", *wrong),
        lambda: check(["--space", str(space_file), "--data", str(table), "--runs", str(runs), *wrong]),
        lambda: ensemble(["--study", str(runs / "a"), "--predict", str(table), *wrong]),
        lambda: label(
            ["--study", str(runs / "a"), "--predict", str(table), "--out", f"{tmp_path}/x.parquet", *wrong]
        ),
    ]
    for command in commands:
        assert command() == 2
        assert f"--data-root {tmp_path}/mistyped is no folder here" in capsys.readouterr().err
    assert Study(runs / "a").files.journal.read_bytes() == journal


def test_a_study_exists_only_with_the_record_of_its_images(
    space_file: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    asked = ("--space", space_file, "--data", table, "--study", "a", "--smoke")
    write = study_module.write_files

    def full(path: Path, files: ImageFiles) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr(study_module, "write_files", full)
    assert tune(runs, *asked) != 0
    assert not has_journal(runs / "a")
    monkeypatch.setattr(study_module, "write_files", write)
    assert tune(runs, *asked) == 0
    assert read_files(Study(runs / "a").files.images, 60) is not None


def test_a_table_is_searched_and_predicted_with_its_images_elsewhere(
    space_file: Path, table: Path, tmp_path: Path
) -> None:
    runs, alone = tmp_path / "runs", tmp_path / "apart" / "alone.csv"
    alone.parent.mkdir()
    alone.write_text(table.read_text())
    elsewhere = ("--data-root", table.parent)
    assert tune(runs, "--space", space_file, "--data", alone, *elsewhere, "--study", "a", "--smoke") == 0
    words = ["--study", "a", "--runs", str(runs), "--predict", str(alone)]
    assert ensemble(words) == 2
    assert ensemble([*words, *map(str, elsewhere)]) == 0
    eyes = tmp_path / "new" / "eyes.csv"
    eyes.parent.mkdir()
    names = ["new0.png", "new1.png"]
    for name, own in zip(names, ("p00-0.png", "p01-0.png"), strict=True):
        picture = np.flip(cv2.imread(str(table.parent / own)), axis=(0, 1))
        cv2.imwrite(str(table.parent / name), picture)
    eyes.write_text("\n".join(["path", *names]) + "\n")
    out = tmp_path / "pseudo.parquet"
    words = ["--study", str(runs / "a"), "--predict", str(eyes), "--out", str(out), "--threshold", "0.01"]
    assert label(words) == 2 and not out.exists()
    assert label([*words, *map(str, elsewhere)]) == 0
    assert Manifest.read(out).root == table.parent


def test_the_command_to_resume_repeats_where_images_lie_and_who_may_read() -> None:
    given = parser().parse_args(["--data-root", "/data/faces", "--private", "--address", "auto"])
    command = _resume(Interrupted(Path("runs/a")), given)
    assert "--data-root /data/faces" in command and "--private" in command
