"""What stands in for the hardware: the server that keeps DJLServing's contract, and the emulated chip."""
