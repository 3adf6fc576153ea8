"""HiFi-NN: EC numbers carried over from neighbours in a contrastively trained space (isci.2025.112480)."""
