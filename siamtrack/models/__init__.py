"""Networks: backbones, heads, and the weights they are shipped with."""
