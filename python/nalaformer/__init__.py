"""NaLaFormer's attention for PyTorch: the fused operators and a drop-in module."""

from .operators import attention_epilogue, library_path, linear_attention, softmax_attention
from .attention import NormAwareAttention

__all__ = ["NormAwareAttention", "attention_epilogue", "library_path", "linear_attention",
           "softmax_attention"]
