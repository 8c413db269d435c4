"""The emulated NeuronCores behind `transformers_neuronx`: checkpoints, decoder, device rules. Never on an instance."""
