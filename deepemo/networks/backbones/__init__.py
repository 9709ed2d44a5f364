"""Networks trained on ImageNet, without their classifiers."""

BACKBONE_NAMES = ("efficientnet_b0", "efficientnet_lite0", "inception_v3", "mobilenet_v2")
