"""scrimp: policy as code for compute cost. The rooms of this package are described in `engine/README.md`."""

__version__ = "0.1.0"
