"""What turns a backbone's features into the outputs that an `Objective` understands."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config


class CoralLayer(nn.Module):
    """K - 1 outputs of one shared weight vector and K - 1 biases. (B, F) -> (B, K - 1).

    With a shared weight the outputs of every row are in the order of the biases, which start as falling from
    1 to 1 / (K - 1): P(y > k) falls with k. Source: Cao, Mirjalili & Raschka 2020
    (https://arxiv.org/abs/1901.07884), initial biases as in the authors' coral-pytorch.
    """

    def __init__(self, features: int, thresholds: int) -> None:
        super().__init__()
        self.in_features, self.out_features = features, thresholds
        self.weight = nn.Parameter(nn.Linear(features, 1, bias=False).weight.detach())
        self.bias = nn.Parameter(torch.arange(thresholds, 0, -1, dtype=torch.float32) / thresholds)

    def forward(self, features: Tensor) -> Tensor:
        return nn.functional.linear(features, self.weight) + self.bias


class LinearHead(nn.Module):
    """Dropout, then one linear layer. features (B, F) -> outputs (B, W).

    init "xavier": Glorot-uniform weights and zero biases (Glorot & Bengio 2010); "default": torch's own.
    samples S > 1 is multi-sample dropout (Inoue 2019, https://arxiv.org/abs/1905.09788): in training S masks,
    outputs (S, B, W), whose losses are to be averaged. coral: the last layer is a `CoralLayer`.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        dropout: float = 0.0,
        init: str = "xavier",
        samples: int = 1,
        coral: bool = False,
    ) -> None:
        super().__init__()
        self.samples = samples
        self.dropout = nn.Dropout(dropout)
        self.linear = _last_layer(features, classes, init, coral)

    @property
    def out_features(self) -> int:
        return int(self.linear.out_features)

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or self.samples == 1:
            return self._once(features)
        return torch.stack([self._once(features) for _ in range(self.samples)])

    def _once(self, features: Tensor) -> Tensor:
        outputs: Tensor = self.linear(self.dropout(features))
        return outputs


class MLPHead(LinearHead):
    """One hidden layer with GELU, dropout before each linear layer. (B, F) -> (B, W), else as `LinearHead`.

    No BatchNorm: it would couple the rows of a batch, and multi-sample dropout would update it S times.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        classes: int,
        dropout: float = 0.0,
        init: str = "xavier",
        samples: int = 1,
        coral: bool = False,
    ) -> None:
        super().__init__(hidden, classes, dropout, init, samples, coral)
        self.hidden = _initialised(nn.Linear(features, hidden), init)

    def _once(self, features: Tensor) -> Tensor:
        return super()._once(nn.functional.gelu(self.hidden(self.dropout(features))))


class BranchHead(nn.Module):
    """One head for each factor of a label, side by side on the last axis. (B, F) -> (B, sum of widths)."""

    def __init__(self, heads: Sequence[LinearHead]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.out_features = sum(head.out_features for head in heads)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([head(features) for head in self.heads], dim=-1)


def build_head(
    config: Config, features: int, objective_widths: Sequence[int], coral: Sequence[bool]
) -> LinearHead | BranchHead:
    """The head of a (completed) configuration: one branch of each width, a CORAL layer where `coral` says so.

    Draws from torch's global generator. Raises TrainableError for an unknown head.
    """
    heads = [_one_head(config, features, *branch) for branch in zip(objective_widths, coral, strict=True)]
    return heads[0] if len(heads) == 1 else BranchHead(heads)


def _one_head(config: Config, features: int, width: int, coral: bool) -> LinearHead:
    dropout, init = float(config["dropout"]), str(config["head_init"])
    samples = int(config["dropout_samples"])
    if config["head"] == "linear":
        return LinearHead(features, width, dropout, init, samples, coral)
    if config["head"] == "mlp":
        return MLPHead(features, int(config["head_hidden"]), width, dropout, init, samples, coral)
    raise TrainableError(f"head={config['head']!r} is not known; use linear or mlp")


def _last_layer(features: int, width: int, init: str, coral: bool) -> nn.Linear | CoralLayer:
    if not coral:
        return _initialised(nn.Linear(features, width), init)
    layer = CoralLayer(features, width)
    if init == "xavier":
        nn.init.xavier_uniform_(layer.weight)
    return layer


def _initialised(layer: nn.Linear, init: str) -> nn.Linear:
    if init == "xavier":
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer
