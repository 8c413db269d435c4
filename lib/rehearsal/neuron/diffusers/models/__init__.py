"""The two modules of diffusers.models that DJL's Neuron handler imports names from."""
