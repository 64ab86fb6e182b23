"""How fast the toolkit is, side by side with what people would use instead."""
