"""What this computer is: versions, memory, GPUs."""
