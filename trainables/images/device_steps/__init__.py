"""The augmentation language's steps on tensors: numbers are drawn on the host, pixels change on the device.

ops.py: what goes over and runs there; plan.py: who goes through which step; table.py: the steps.
A kernel takes and gives float32 pixels that are whole numbers from 0 to 255, as every step of the CPU's
pipeline ends in uint8, and never asks the device for a value: nothing in it synchronises.
"""
