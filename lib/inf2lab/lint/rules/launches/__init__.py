"""Rules about launch files of the servers that came after DJLServing."""
