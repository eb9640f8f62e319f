"""The pretrained encoder that training starts from."""

from training.base.encoder import make_base

__all__ = ["make_base"]
