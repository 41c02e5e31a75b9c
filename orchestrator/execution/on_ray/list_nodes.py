"""Who has joined the Ray at an address. Changes nothing there: no driver, no job, no task.

    python -m orchestrator.execution.joined 10.0.0.11:6390

prints {"nodes": [{"address", "host", "alive", "head", "cpus", "gpus", "reason"}, ...]} as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, without a stub
from ray.core.generated.gcs_pb2 import GcsNodeInfo


def list_nodes(address: str) -> list[dict[str, Any]]:
    """Every node that ever joined, the dead included with why they left. Raises what Ray raises."""
    nodes = GcsClient(address=address).get_all_node_info().values()
    return [
        {
            "address": node.node_manager_address,
            "host": node.node_manager_hostname,
            "alive": node.state == GcsNodeInfo.GcsNodeState.ALIVE,
            "head": node.is_head_node,
            "cpus": node.resources_total.get("CPU", 0.0),
            "gpus": node.resources_total.get("GPU", 0.0),
            "reason": node.death_info.reason_message,
        }
        for node in nodes
    ]


if __name__ == "__main__":
    print(json.dumps({"nodes": list_nodes(sys.argv[1])}))
