"""The machinery that tests share: AWS as moto plays it, the chip's image, a control plane, the recorded exchanges."""
