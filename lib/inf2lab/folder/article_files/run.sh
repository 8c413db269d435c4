docker run -it --rm --network=host \
    -v `pwd`/models:/opt/ml/model \
    -v `pwd`/logs:/opt/djl/logs \
    -u djl --device /dev/neuron0 --device /dev/neuron10 --device /dev/neuron2 --device /dev/neuron4 --device /dev/neuron6 --device /dev/neuron8 --device /dev/neuron1 --device /dev/neuron11 \
    -e MODEL_LOADING_TIMEOUT=7200 \
    -e PREDICT_TIMEOUT=360 \
    deepjavalibrary/djl-serving:0.21.0-pytorch-inf2 serve
