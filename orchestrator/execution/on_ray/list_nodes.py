"""Who has joined the Ray at an address. Changes nothing there: no driver, no job, no task.

    python -m orchestrator.execution.on_ray.list_nodes 10.0.0.11:6390

prints {"nodes": [{"address", "host", "alive", "head", "cpus", "gpus", "reason"}, ...]} as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from orchestrator.execution.on_ray.compat import node_records


def list_nodes(address: str) -> list[dict[str, Any]]:
    """Every node that ever joined, the dead included with why they left. Raises what Ray raises."""
    return [
        {
            "address": node.node_manager_address,
            "host": node.node_manager_hostname,
            "alive": alive,
            "head": node.is_head_node,
            "cpus": node.resources_total.get("CPU", 0.0),
            "gpus": node.resources_total.get("GPU", 0.0),
            "reason": node.death_info.reason_message,
        }
        for node, alive in node_records(address)
    ]


if __name__ == "__main__":
    print(json.dumps({"nodes": list_nodes(sys.argv[1])}))
