"""The shallow CNN, the ImageNet backbones and the head trained on them."""
