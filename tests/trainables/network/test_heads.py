from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from orchestrator.core.errors import TrainableError
from trainables.network.heads import BranchHead, CoralLayer, LinearHead, MLPHead, build_head
from trainables.parameters import completed

FEATURES = 24


def head(widths: tuple[int, ...] = (4,), coral: tuple[bool, ...] | None = None, **config: Any) -> Any:
    torch.manual_seed(0)
    return build_head(completed(config), FEATURES, widths, coral or (False,) * len(widths))


def rows(count: int = 6) -> torch.Tensor:
    return torch.randn(count, FEATURES, generator=torch.Generator().manual_seed(1))


def test_the_plain_head_has_the_keys_and_draws_of_a_linear_layer() -> None:
    plain = head()
    assert isinstance(plain, LinearHead) and list(plain.state_dict()) == ["linear.weight", "linear.bias"]
    torch.manual_seed(0)
    expected = torch.nn.Linear(FEATURES, 4)
    torch.nn.init.xavier_uniform_(expected.weight)
    assert torch.equal(plain.linear.weight, expected.weight)
    assert torch.equal(plain(rows()), F.linear(rows(), expected.weight))


def test_an_mlp_has_one_hidden_layer_with_gelu() -> None:
    mlp = head(head="mlp", head_hidden=7).eval()
    assert isinstance(mlp, MLPHead) and mlp.hidden.weight.shape == (7, FEATURES) and mlp.out_features == 4
    expected = mlp.linear(F.gelu(rows() @ mlp.hidden.weight.T + mlp.hidden.bias))
    assert torch.allclose(mlp(rows()), expected)


@pytest.mark.parametrize("init, zero", [("xavier", True), ("default", False)])
def test_every_linear_layer_of_an_mlp_is_initialised_as_asked(init: str, zero: bool) -> None:
    mlp = head(head="mlp", head_hidden=64, head_init=init)
    for layer in (mlp.hidden, mlp.linear):
        assert bool((layer.bias == 0).all()) == zero
    assert (
        float(mlp.hidden.weight.detach().abs().max()) > FEATURES**-0.5
    ) == zero  # torch's own bound is 1/sqrt(F)


def test_an_mlp_drops_before_each_of_its_layers() -> None:
    mlp = head(head="mlp", dropout=0.9)
    seen: list[torch.Tensor] = []
    for layer in (mlp.hidden, mlp.linear):
        layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    mlp(torch.ones(50, FEATURES))
    assert [float((part == 0).double().mean()) for part in seen] == pytest.approx([0.9, 0.9], abs=0.03)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_multi_sample_dropout_draws_a_mask_for_each_sample_in_training_only(kind: str) -> None:
    several = head(head=kind, dropout=0.5, dropout_samples=3)
    outputs = several(rows())
    assert outputs.shape == (3, 6, 4)
    assert not torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[1], outputs[2])
    single = head(head=kind)
    single.load_state_dict(several.state_dict())
    assert torch.equal(several.eval()(rows()), single.eval()(rows()))


def test_samples_without_dropout_are_all_the_same() -> None:
    outputs = head(dropout_samples=2)(rows())
    assert torch.equal(outputs[0], outputs[1])


def test_branches_stand_side_by_side_and_share_no_weights() -> None:
    both = head((3, 2), dropout_samples=2, dropout=0.1)
    assert isinstance(both, BranchHead) and both.out_features == 5
    assert both(rows()).shape == (2, 6, 5)
    both.eval()
    parts = [part(rows()) for part in both.heads]
    assert torch.equal(both(rows()), torch.cat(parts, dim=1))
    both(rows())[:, :3].sum().backward()
    assert both.heads[0].linear.weight.grad.any() and not both.heads[1].linear.weight.grad.any()


@pytest.mark.parametrize("init", ["xavier", "default"])
def test_a_coral_layer_shares_its_weight_and_starts_with_falling_thresholds(init: str) -> None:
    coral = head((4,), (True,), head_init=init)
    assert isinstance(coral.linear, CoralLayer) and coral.out_features == 4
    assert coral.linear.weight.shape == (1, FEATURES)
    assert coral.linear.bias.tolist() == [1.0, 0.75, 0.5, 0.25]
    steps = coral(rows()).diff(dim=1)
    assert torch.allclose(steps, torch.full_like(steps, -0.25), atol=1e-5)


def test_coral_is_the_last_layer_of_its_own_branch_alone() -> None:
    mixed = head((3, 2), (True, False), head="mlp", head_hidden=5)
    assert [type(part.linear) for part in mixed.heads] == [CoralLayer, torch.nn.Linear]


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(TrainableError, match="head='conv' is not known; use linear or mlp"):
        head(head="conv")
