"""Training data: readers, augmentation, composed scenes and pairs."""
