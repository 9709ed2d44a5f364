"""Transfer from ImageNet."""
