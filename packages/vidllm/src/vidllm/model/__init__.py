"""The parts of the model: forward only, no data and no training."""
