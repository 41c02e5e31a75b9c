"""How weights move: optimizers, schedules, sharpness, averages."""
