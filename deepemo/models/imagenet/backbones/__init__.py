"""Networks trained on ImageNet, without their classifiers."""

BACKBONE_NAMES = (
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "efficientnet_v2_b0",
    "inception_v3",
    "mobilenet_v2",
)
