"""What turns a backbone's features into logits."""

from __future__ import annotations

from torch import Tensor, nn


class LinearHead(nn.Module):
    """Dropout, then one linear layer. features (B, F) -> logits (B, classes).

    init "xavier": Glorot-uniform weights and zero biases (Glorot & Bengio 2010); "default": torch's own.
    """

    def __init__(self, features: int, classes: int, dropout: float = 0.0, init: str = "xavier") -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, classes)
        if init == "xavier":
            nn.init.xavier_uniform_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(features))
        return logits
