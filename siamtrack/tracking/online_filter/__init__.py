"""Filter that is fitted to the target while it is tracked: ridge regression in the Fourier domain."""
