"""A package's offer is there when it is asked for."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("name", ["check", "ensemble", "pseudo_labels"])
def test_all_that_a_package_offers_can_be_imported_and_nothing_else(name: str) -> None:
    package = importlib.import_module(f"orchestrator.{name}")
    assert package.__all__ and all(
        getattr(package, offered).__name__ == offered for offered in package.__all__
    )
    with pytest.raises(AttributeError, match=f"module 'orchestrator.{name}' has no attribute 'nothing'"):
        _ = package.nothing
