"""What runs on a worker: torch, timm and albumentations; no Ray, no study."""
