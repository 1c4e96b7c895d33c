"""Operations: the health of devices, what people found where a device said something, and checks."""
