"""The real package's loops and filters by their names; what they do is in emulated_neuron.sampling."""

from __future__ import annotations

from emulated_neuron.sampling import (
    sample_greedy,
    sample_llama,
    sample_loop,
    select_tokens,
    simple_sample,
    top_k_top_p_filtering,
)

__all__ = ["sample_greedy", "sample_llama", "sample_loop", "select_tokens", "simple_sample", "top_k_top_p_filtering"]
